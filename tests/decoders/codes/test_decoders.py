"""Coded items are read from a simulated person, live as offline, and what is wrong is told."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from volition.chunk import Event
from volition.decoders.codes.erp.decoder import ErpDecoder
from volition.decoders.codes.erp.settings import ErpSettings
from volition.decoders.codes.reconvolution.decoder import ReconvolutionDecoder
from volition.decoders.codes.reconvolution.settings import ReconvolutionSettings
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent, canonical_json
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, CalibrationError
from volition.errors import ConfigError
from volition.streams.files.recording import Recording
from volition.streams.simulated.coded_participant import (
    CodedParticipant,
    record_codes,
    record_flashes,
)

ITEMS = list("ABCDEFGHI")
PERSON = CodedParticipant(seed=2, response_uv=12.0, blinks_per_min=0.0)
FLASHED = ErpSettings.model_validate(
    {
        "book": {"items": ITEMS, "code": {"kind": "rowcol", "columns": 3}},
        "max_s": 20,
        "classifier": "lda",
        "min_flashes": 2,
        "stopping": {"rule": "posterior", "threshold": 0.95},
    }
)
CODED = ReconvolutionSettings.model_validate(
    {
        "book": {"items": ITEMS, "code": {"kind": "modulated_gold", "register_bits": 5}},
        "step_hz": 60,
        "max_s": 4.2,
        "n_components": 1,
        "stopping": {"rule": "posterior", "threshold": 0.9},
    }
)


#: The same codes, each frame marked.
TAGGED = CODED.model_copy(update={"step_hz": None})


def asked(labels: Sequence[str]) -> list[tuple[int | None, str]]:
    return [(None if one == "rest" else ITEMS.index(one), one) for one in labels]


@functools.cache
def flashed(labels: str, sitting: int) -> Recording:
    return record_flashes(PERSON, FLASHED.book.steps, asked(labels.split()), sitting=sitting)


@functools.cache
def coded(labels: str, sitting: int) -> Recording:
    return record_codes(PERSON, CODED.book.steps, asked(labels.split()), sitting=sitting)


def data_of(recording: Recording) -> CalibrationData:
    return CalibrationData(
        recording.spec, recording.samples, recording.times, list(recording.events)
    )


@functools.cache
def erp_calibrated() -> Calibrated:
    return ErpDecoder.calibrate(FLASHED, data_of(flashed("A E I C G", 0)), lambda *_: None)


@functools.cache
def code_calibrated() -> Calibrated:
    recording = coded("A B C D E rest rest", 0)
    return ReconvolutionDecoder.calibrate(CODED, data_of(recording), lambda *_: None)


def erp(**changed: Any) -> ErpDecoder:
    decoder = ErpDecoder(FLASHED.model_copy(update=changed), erp_calibrated().model)
    decoder.prepare(PERSON.spec())
    return decoder


def code(**changed: Any) -> ReconvolutionDecoder:
    decoder = ReconvolutionDecoder(CODED.model_copy(update=changed), code_calibrated().model)
    decoder.prepare(PERSON.spec())
    return decoder


def run(decoder: Any, recording: Recording, n_samples: int = 25) -> list[Intent]:
    return [
        intent
        for chunk, events in recording.chunks(n_samples)
        for intent in decoder.decode(chunk, [Event(one.time, one.name) for one in events])
    ]


def tag(**changed: Any) -> ReconvolutionDecoder:
    """Give the decoder of marked frames; its model is that of codes at a rate."""
    decoder = ReconvolutionDecoder(TAGGED.model_copy(update=changed), code_calibrated().model)
    decoder.prepare(PERSON.spec())
    return decoder


@functools.cache
def tagged(labels: str, sitting: int) -> Recording:
    """Give the recording of codes with a marker at each frame."""
    recording = coded(labels, sitting)
    onsets = [one.time for one in recording.events if one.name == "trial_start"]
    n_steps = CODED.book.steps.shape[1]
    frames = [
        Event(onset + number / 60, f"step {number % n_steps}")
        for onset in onsets
        for number in range(round(4.2 * 60))
    ]
    events = sorted([*recording.events, *frames], key=lambda one: one.time)
    return dataclasses.replace(recording, events=tuple(events))


def run_late(
    decoder: Any, recording: Recording, late_s: Sequence[float], n_samples: int = 25
) -> list[Intent]:
    """Run; each event comes later than its samples, and none before the one ahead of it."""
    given = [Event(one.time, one.name) for one in recording.events]
    arrivals = np.maximum.accumulate(
        [one.time + late_s[number % len(late_s)] for number, one in enumerate(given)]
    )
    intents, at = [], 0
    for chunk, _ in recording.chunks(n_samples):
        stop = int(np.searchsorted(arrivals, chunk.times[-1], side="right"))
        intents += decoder.decode(chunk, given[at:stop])
        at = stop
    return intents


def selected(intents: Sequence[Intent]) -> list[str]:
    return [one.label for one in intents if isinstance(one, SelectionIntent)]


def test_flashes_spell_what_is_attended() -> None:
    decoder = erp()

    assert selected(run(decoder, flashed("B F H", 1))) == ["B", "F", "H"]
    assert decoder.state()["left_out"] == {}


def test_codes_spell_items_that_the_calibration_never_asked_for() -> None:
    assert selected(run(code(), coded("H F I", 1))) == ["H", "F", "I"]


@pytest.mark.parametrize("n_samples", [1, 7, 100_000])
def test_an_answer_does_not_hang_on_how_the_signal_is_cut(n_samples: int) -> None:
    for decoder, recording in ((erp(), flashed("B F H", 1)), (code(), coded("H F I", 1))):
        whole = [canonical_json(one) for one in run(decoder, recording)]
        decoder.reset()
        assert [canonical_json(one) for one in run(decoder, recording, n_samples)] == whole


@pytest.mark.parametrize("n_samples", [5, 25])
@pytest.mark.parametrize("late_s", [[0.0], [0.05], [0.15], [0.0, 0.15, 0.03, 0.1]])
@pytest.mark.parametrize(
    ("decoder", "recording"),
    [
        pytest.param(erp, flashed, id="erp"),
        pytest.param(tag, tagged, id="codes, each frame marked"),
        pytest.param(code, coded, id="codes at a rate"),
    ],
)
def test_markers_that_come_late_select_the_same(
    decoder: Any, recording: Any, late_s: list[float], n_samples: int
) -> None:
    made = decoder()

    late = run_late(made, recording("H F I", 1), late_s, n_samples)

    assert selected(late) == ["H", "F", "I"]
    assert made.state()["left_out"] == {}


@pytest.mark.parametrize("n_samples", [1, 7, 100_000])
def test_marked_frames_are_read_alike_however_the_signal_is_cut(n_samples: int) -> None:
    whole = [canonical_json(one) for one in run(tag(), tagged("H F I", 1))]

    cut = [canonical_json(one) for one in run(tag(), tagged("H F I", 1), n_samples)]

    assert cut == whole


def test_markers_within_the_time_that_a_look_waits_change_nothing_at_all() -> None:
    recording = tagged("H F I", 1)
    prompt = [canonical_json(one) for one in run(tag(), recording, 1)]

    late = [canonical_json(one) for one in run_late(tag(), recording, [0.15], 10)]

    assert late == prompt


def test_a_marker_that_comes_after_its_look_is_told_and_left_out() -> None:
    made = tag(late_s=0.05)

    run_late(made, tagged("H", 1), [0.5], 1)

    assert made.state()["left_out"]["late"] > 0
    assert "late_s (0.05 s)" in made.state()["told"][0]


def test_a_look_waits_only_where_frames_are_marked() -> None:
    assert tag().tail_s == pytest.approx(0.2)
    assert code().tail_s == 0.0


def test_nothing_is_selected_where_nobody_attends() -> None:
    threshold = code_calibrated().settings["idle_log_odds"]

    intents = run(code(idle_log_odds=threshold), coded("rest rest rest", 2))

    assert selected(intents) == []
    assert {one.reason for one in intents if isinstance(one, IdleIntent)} == {"rest"}


def test_a_selection_comes_sooner_with_stopping_than_without() -> None:
    early, late = (
        [one.t_sample for one in run(code(**changed), coded("H F I", 1))]
        for changed in ({}, {"stopping": None})
    )

    assert all(a < b for a, b in zip(early, late, strict=True))


def test_what_was_learned_says_how_well_it_did_when_left_out() -> None:
    scores = code_calibrated().scores

    assert scores["accuracy"] == 1.0
    assert scores["n_trials"] == 5
    assert scores["n_rest"] == 2
    assert erp_calibrated().scores["auc"] > 0.85


def with_events(recording: Recording, change: Any) -> Recording:
    return dataclasses.replace(recording, events=tuple(change(list(recording.events))))


def test_a_flash_that_is_marked_twice_counts_once() -> None:
    def doubled(events: list[Event]) -> list[Event]:
        steps = [one for one in events if one.name.startswith("step")]
        twins = [Event(one.time + 0.002, one.name) for one in steps]
        return sorted([*events, *twins], key=lambda one: one.time)

    decoder, plain = erp(), erp()

    twice = run(decoder, with_events(flashed("B", 3), doubled))

    assert [canonical_json(one) for one in twice] == [
        canonical_json(one) for one in run(plain, flashed("B", 3))
    ]
    assert decoder.state()["left_out"]["twice"] > 0
    assert "marked twice" in decoder.state()["told"][0]


def test_an_unknown_step_is_told_and_left_out() -> None:
    decoder = erp()

    run(
        decoder,
        with_events(flashed("B", 3), lambda all_: [*all_[:3], Event(all_[3].time, "step 99")]),
    )

    assert decoder.state()["left_out"]["unknown"] == 1
    assert "unknown step 99: the code book has steps 0 to 5" in decoder.state()["told"]


def test_a_flash_outside_an_attempt_is_told() -> None:
    decoder = erp()

    run(decoder, with_events(flashed("B", 3), lambda all_: all_[1:4]))

    assert decoder.state()["left_out"] == {"outside": 3}


def test_the_second_of_two_onsets_at_once_is_left_out() -> None:
    decoder = code()

    intents = run(decoder, with_events(coded("H", 3), lambda all_: [all_[0], *all_]))

    assert selected(intents) == ["H"]
    assert "two onsets at" in decoder.state()["told"][0]


def test_a_missing_sample_selects_nothing() -> None:
    recording = coded("H", 3)
    samples = recording.samples.copy()
    onset = round(recording.events[0].time * PERSON.rate_hz)
    samples[onset + 20 : onset + 24] = np.nan

    intents = run(code(), dataclasses.replace(recording, samples=samples))

    assert [one.reason for one in intents if isinstance(one, IdleIntent)] == ["missing_samples"]


@pytest.mark.parametrize(
    ("change", "reason", "sentence"),
    [
        (lambda all_: [Event(e.time, e.name) for e in all_], "no-trials", "no target is named"),
        (lambda all_: [*all_, all_[0]], "no-trials", "two trials begin at once"),
        (
            lambda all_: [all_[0], Event(all_[1].time, "step 99")],
            "no-trials",
            "unknown step 99",
        ),
        (
            lambda all_: [e for e in all_ if not e.name.startswith("step")],
            "no-trials",
            "no flash came within",
        ),
        (
            lambda all_: [e for e in all_ if e.name not in {"step 0", "step 3"}][:20],
            "class-missing",
            "lacked|held",
        ),
    ],
)
def test_a_calibration_that_cannot_be_used_says_why(
    change: Any, reason: str, sentence: str
) -> None:
    broken = with_events(flashed("A E I C G", 0), change)

    with pytest.raises(CalibrationError, match=sentence) as refused:
        ErpDecoder.calibrate(FLASHED, data_of(broken), lambda *_: None)

    assert refused.value.fields["reason"] == reason


def test_a_calibration_of_noise_is_refused() -> None:
    recording = coded("A B C D E F G H", 0)
    rng = np.random.default_rng(0)
    noise = dataclasses.replace(
        recording, samples=rng.standard_normal(recording.samples.shape).cumsum(axis=0)
    )

    with pytest.raises(CalibrationError, match="not above chance"):
        ReconvolutionDecoder.calibrate(CODED, data_of(noise), lambda *_: None)


def test_flashes_faster_than_an_epoch_allows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"follow each other after 0\.0167 s"):
        erp(step_hz=60.0)


def test_a_model_for_another_rate_is_refused() -> None:
    decoder = ReconvolutionDecoder(CODED, code_calibrated().model)

    with pytest.raises(ConfigError, match="the model was fitted for"):
        decoder.prepare(dataclasses.replace(PERSON.spec(), rate_hz=200.0))
