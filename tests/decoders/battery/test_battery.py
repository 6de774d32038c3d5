"""What every registered stage and decoder is held to, whatever it does.

A new one is met by being registered; all that it adds is its example, `examples/KIND.yaml` in its
package (`volition.decoders.registry`). One that needs a model makes that of random data
(`Decoder.example_model`); the networks of our own, which serving cannot make, are written by
`tests/decoders/examples/KIND.py`. Those of a package that is installed beside Volition are met too.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, cast

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import IdleIntent, Intent, canonical_json
from volition.decoders.contract.stage import Stage
from volition.errors import SpecError

NETWORKS = Path(__file__).resolve().parents[1] / "examples"
DURATION_S = 4.0


class Example(registry.Example):
    """A stage or decoder with settings, and the signal to run it on."""

    def stage(self) -> Stage[Any]:
        return self.stage_and_spec()[0]

    def stage_and_spec(self) -> tuple[Stage[Any], SignalSpec]:
        """Give a fresh stage and the spec of what it gives."""
        stage = registry.build_stage(self.settings)
        return stage, stage.prepare(self.spec)

    def decoder(self) -> Decoder[Any]:
        decoder: Any = registry.build_decoder(self.settings)
        network = NETWORKS / f"{self.settings.kind}.py"
        if network.is_file():
            module_of(network).make_ready(decoder, self.spec)
        model = model_of(self.settings.kind, self.settings.model_dump_json(), self.spec)
        if model is not None:
            decoder.use(model)
        decoder.prepare(self.spec)
        return cast("Decoder[Any]", decoder)

    @property
    def n_samples(self) -> int:
        return round(DURATION_S * self.spec.rate_hz)

    def times(self) -> FloatArray:
        return 1000.0 + np.arange(self.n_samples) / self.spec.rate_hz

    def signal(self) -> FloatArray:
        """Give noise with a drift, an offset and a rhythm, in microvolts."""
        rng = np.random.default_rng(7)
        noise: FloatArray = rng.standard_normal((self.n_samples, self.spec.n_channels))
        rhythm = np.sin(2 * np.pi * 10 * self.times())[:, None]
        signal: FloatArray = 8 * noise + 0.2 * noise.cumsum(axis=0) + 5 * rhythm + 300.0
        return signal

    def events(self) -> list[Event]:
        return [Event(1000.0 + at, "trial_start", {"target": "10 Hz"}) for at in (0.31, 1.0, 1.7)]


@functools.cache
def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def model_of(kind: str, settings: str, spec: SignalSpec) -> Any:
    """Give the example's model: the battery asks again and again."""
    cls = registry.decoders_by_kind()[kind]
    return cls.example_model(cls.settings_model.model_validate_json(settings), spec)


def all_examples(kinds: Iterable[str]) -> list[Any]:
    return [
        pytest.param(Example(one.settings, one.spec, one.exact), id=f"{kind}-{number}")
        for kind in sorted(kinds)
        for number, one in enumerate(registry.examples(kind), start=1)
    ]


STAGES = all_examples(registry.stages())
DECODERS = all_examples(registry.decoders_by_kind())

each_stage = pytest.mark.parametrize("example", STAGES)
each_decoder = pytest.mark.parametrize("example", DECODERS)
cuttings = st.lists(st.integers(0, 150), max_size=30)
few = hypothesis.settings(max_examples=10, suppress_health_check=[hypothesis.HealthCheck.too_slow])


def cut(samples: FloatArray, times: FloatArray, lengths: Sequence[int]) -> Iterator[Chunk]:
    """Cut into chunks of these lengths (some empty) and a last one with the rest."""
    start = 0
    for length in [*lengths, len(times)]:
        stop = min(start + length, len(times))
        yield Chunk(samples[start:stop].copy(), times[start:stop].copy())
        start = stop


def run_stage(stage: Stage[Any], chunks: Iterator[Chunk]) -> Chunk:
    outputs = [stage.process(chunk) for chunk in chunks]
    return Chunk(
        np.concatenate([one.samples for one in outputs]),
        np.concatenate([one.times for one in outputs]),
    )


def run_decoder(
    decoder: Decoder[Any], chunks: Iterator[Chunk], events: Sequence[Event], late_s: float = 0.0
) -> list[Intent]:
    """Run; an event comes with the first chunk whose newest time is ``late_s`` past it."""
    waiting = sorted(events, key=lambda event: event.time)
    intents: list[Intent] = []
    for chunk in chunks:
        newest = chunk.times[-1] if len(chunk) else -np.inf
        due = [event for event in waiting if event.time + late_s <= newest]
        waiting = waiting[len(due) :]
        made = decoder.decode(chunk, due)
        assert all(intent.t_sample <= newest for intent in made)
        intents += made
    return intents


def assert_same(example: Example, ours: Chunk, theirs: Chunk) -> None:
    np.testing.assert_array_equal(ours.times, theirs.times)
    if example.exact:
        np.testing.assert_array_equal(ours.samples, theirs.samples)
    else:
        scale = np.nanmax(np.abs(theirs.samples), initial=1.0)
        np.testing.assert_allclose(ours.samples, theirs.samples, rtol=0, atol=1e-9 * scale)


def canonical(intents: Sequence[Intent]) -> list[bytes]:
    return [canonical_json(intent) for intent in intents]


def answers(intents: Sequence[Intent]) -> list[tuple[Any, ...]]:
    """Give what was decided, but for when: an event that comes late is answered late."""
    return [
        (one.kind, one.t_trigger, getattr(one, "label", None), getattr(one, "reason", None))
        for one in intents
    ]


# --- Both ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({*registry.stages(), *registry.decoders_by_kind()}))
def test_every_registered_kind_has_an_example(kind: str) -> None:
    assert registry.examples(kind), (
        f"give settings for {kind!r} in its package's examples/{kind}.yaml"
    )


def test_no_example_is_of_a_kind_that_is_not_registered() -> None:
    folder = resources.files("volition.decoders") / "examples"
    kinds = {
        name
        for name, dot, end in (f.name.partition(".") for f in folder.iterdir())
        if end == "yaml"
    }
    assert kinds <= {*registry.stages(), *registry.decoders_by_kind()}


# --- Stages ----------------------------------------------------------------------------------


@each_stage
@few
@hypothesis.given(lengths=cuttings)
def test_a_stage_gives_the_same_however_the_signal_is_cut(
    example: Example, lengths: list[int]
) -> None:
    samples, times = example.signal(), example.times()
    samples[200:230] = np.nan
    samples[300:303, 0] = np.nan
    whole = run_stage(example.stage(), cut(samples, times, []))
    assert_same(example, run_stage(example.stage(), cut(samples, times, lengths)), whole)


@each_stage
def test_a_stage_gives_the_same_sample_by_sample(example: Example) -> None:
    samples, times = example.signal()[:400], example.times()[:400]
    whole = run_stage(example.stage(), cut(samples, times, []))
    assert_same(example, run_stage(example.stage(), cut(samples, times, [1] * 400)), whole)


@each_stage
def test_a_stage_describes_what_it_gives(example: Example) -> None:
    stage, spec = example.stage_and_spec()
    result = stage.process(Chunk(example.signal(), example.times()))
    assert result.samples.shape == (len(result.times), spec.n_channels)
    assert result.samples.dtype == np.float64
    if spec.rate_hz and len(result) > 1:
        np.testing.assert_allclose(np.diff(result.times), 1 / spec.rate_hz, rtol=1e-6)


@each_stage
def test_a_stage_gives_an_empty_chunk_for_an_empty_one(example: Example) -> None:
    stage, spec = example.stage_and_spec()
    for _ in range(2):
        result = stage.process(Chunk(np.empty((0, example.spec.n_channels)), np.empty(0)))
        assert result.samples.shape == (0, spec.n_channels)
        assert result.times.shape == (0,)
        stage.process(Chunk(example.signal()[:50], example.times()[:50]))


@each_stage
def test_a_stage_refuses_a_chunk_of_other_channels(example: Example) -> None:
    stage = example.stage()
    with pytest.raises(SpecError, match=str(example.spec.n_channels)):
        stage.process(Chunk(np.zeros((4, example.spec.n_channels + 1)), np.arange(4.0)))


@each_stage
def test_a_stage_that_was_reset_is_as_good_as_new(example: Example) -> None:
    samples, times = example.signal(), example.times()
    stage = example.stage()
    run_stage(stage, cut(1e3 * samples[:333], times[:333], [50]))
    stage.reset()
    fresh = run_stage(example.stage(), cut(samples, times, [77]))
    assert_same(example, run_stage(stage, cut(samples, times, [77])), fresh)


@each_stage
def test_a_stage_gives_nan_where_samples_were_missing_and_nowhere_else_in_time(
    example: Example,
) -> None:
    samples, times = example.signal(), example.times()
    samples[400:440] = np.nan
    result = run_stage(example.stage(), cut(samples, times, [64] * 8))
    interval_s = 1 / example.spec.rate_hz
    within = (result.times >= times[400]) & (result.times <= times[439])
    outside = (result.times < times[400]) | (
        result.times > times[439] + max(interval_s, float(np.diff(result.times).max()))
    )
    assert np.isnan(result.samples[within]).all()
    assert np.isfinite(result.samples[outside]).all()


@each_stage
def test_a_stage_survives_a_signal_that_begins_with_missing_samples(example: Example) -> None:
    samples, times = example.signal(), example.times()
    samples[:100] = np.nan
    samples[:150, 1] = np.nan
    result = run_stage(example.stage(), cut(samples, times, [64] * 8))
    assert np.isnan(result.samples[result.times < times[100]]).all()
    assert np.isfinite(result.samples[result.times > times[160]]).all()


@each_stage
def test_a_stage_never_looks_further_ahead_than_it_says(example: Example) -> None:
    samples, times = example.signal(), example.times()
    other = samples.copy()
    other[500:] = -3 * other[500:] + 40
    stage = example.stage()
    ours = run_stage(stage, cut(samples, times, [128]))
    theirs = run_stage(example.stage(), cut(other, times, [128]))
    before = ours.times < times[500] - stage.latency_s
    np.testing.assert_array_equal(ours.samples[before], theirs.samples[before])


@each_stage
def test_a_stage_says_its_state_as_json(example: Example) -> None:
    stage = example.stage()
    json.dumps(stage.state(), allow_nan=False)
    run_stage(stage, cut(example.signal(), example.times(), []))
    json.dumps(stage.state(), allow_nan=False)


# --- Decoders --------------------------------------------------------------------------------


@each_decoder
@few
@hypothesis.given(lengths=cuttings)
def test_a_decoder_gives_the_same_intents_however_the_signal_is_cut(
    example: Example, lengths: list[int]
) -> None:
    samples, times = example.signal(), example.times()
    samples[700:705] = np.nan
    whole = run_decoder(example.decoder(), cut(samples, times, []), example.events())
    pieces = run_decoder(example.decoder(), cut(samples, times, lengths), example.events())
    assert whole
    assert canonical(pieces) == canonical(whole)


@each_decoder
def test_a_decoder_gives_the_same_intents_sample_by_sample(example: Example) -> None:
    samples, times, events = example.signal(), example.times(), example.events()
    whole = run_decoder(example.decoder(), cut(samples, times, []), events)
    single = run_decoder(example.decoder(), cut(samples, times, [1] * len(times)), events)
    assert canonical(single) == canonical(whole)


@each_decoder
@pytest.mark.parametrize("late_s", [0.05, 0.15])
def test_a_decoder_answers_the_same_where_events_come_late(example: Example, late_s: float) -> None:
    samples, times, events = example.signal(), example.times(), example.events()
    prompt = run_decoder(example.decoder(), cut(samples, times, []), events)
    chunks = cut(samples, times, [25] * (len(times) // 25))
    late = run_decoder(example.decoder(), chunks, events, late_s)
    assert answers(late) == answers(prompt)


@each_decoder
def test_a_decoder_says_nothing_to_an_empty_chunk(example: Example) -> None:
    decoder = example.decoder()
    empty = Chunk(np.empty((0, example.spec.n_channels)), np.empty(0))
    assert decoder.decode(empty, []) == []
    run_decoder(decoder, cut(example.signal(), example.times(), []), example.events())
    assert decoder.decode(empty, []) == []


@each_decoder
def test_a_decoder_refuses_a_chunk_of_other_channels(example: Example) -> None:
    decoder = example.decoder()
    with pytest.raises(SpecError, match=str(example.spec.n_channels)):
        decoder.decode(Chunk(np.zeros((4, example.spec.n_channels + 1)), np.arange(4.0)), [])


@each_decoder
def test_a_decoder_that_was_reset_is_as_good_as_new(example: Example) -> None:
    samples, times, events = example.signal(), example.times(), example.events()
    decoder = example.decoder()
    run_decoder(decoder, cut(1e3 * samples[:300], times[:300], [50]), events)
    decoder.reset()
    fresh = example.decoder()
    assert json.dumps(decoder.state()) == json.dumps(fresh.state())
    again = run_decoder(decoder, cut(samples, times, [77]), events)
    assert canonical(again) == canonical(run_decoder(fresh, cut(samples, times, [77]), events))


@each_decoder
def test_a_decoder_is_idle_while_samples_are_missing(example: Example) -> None:
    samples = np.full_like(example.signal(), np.nan)
    intents = run_decoder(
        example.decoder(), cut(samples, example.times(), [40] * 9), example.events()
    )
    assert all(isinstance(intent, IdleIntent) for intent in intents)


@each_decoder
def test_a_decoder_never_looks_ahead(example: Example) -> None:
    samples, times, events = example.signal(), example.times(), example.events()
    other = samples.copy()
    other[800:] = -3 * other[800:] + 40
    ours, theirs = (
        [
            intent
            for intent in run_decoder(example.decoder(), cut(signal, times, [128]), events)
            if intent.t_sample < times[800]
        ]
        for signal in (samples, other)
    )
    assert canonical(ours) == canonical(theirs)


@each_decoder
def test_a_decoder_does_not_read_what_the_person_was_asked_to_do(example: Example) -> None:
    samples, times, events = example.signal(), example.times(), example.events()
    told = run_decoder(example.decoder(), cut(samples, times, []), events)
    untold = [replace(event, data={}) for event in events]
    assert canonical(told) == canonical(
        run_decoder(example.decoder(), cut(samples, times, []), untold)
    )


@each_decoder
def test_a_decoder_says_its_state_as_json(example: Example) -> None:
    decoder = example.decoder()
    json.dumps(decoder.state(), allow_nan=False)
    run_decoder(decoder, cut(example.signal(), example.times(), []), example.events())
    json.dumps(decoder.state(), allow_nan=False)
