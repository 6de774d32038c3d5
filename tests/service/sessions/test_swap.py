"""What decodes is changed between two samples: nothing is lost, nothing said twice, it replays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import Intent, SelectionIntent
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import CalibrationError
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.decoders.ssvep.transfer.personal import PersonalDecoder
from volition.errors import ConfigError, ModelError, SpecError
from volition.models.manifest import ModelCard, ModelInput
from volition.models.registry import ModelRegistry, shipped_manifests
from volition.service.calibration.fitter import fitted_class, trainer_of
from volition.service.sessions.config import SessionConfig, parse_config
from volition.service.sessions.engine import Engine
from volition.service.sessions.history import History
from volition.service.sessions.named_models import pinned
from volition.service.worker.replay import RecordedSwap, replay
from volition.streams.files.recording import Recording
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

STREAM = {"stream": {"name": "x"}}
FREQS_HZ = {"a": 9.0, "b": 11.0, "c": 14.0}
TARGETS = [{"label": label, "freq_hz": freq_hz} for label, freq_hz in FREQS_HZ.items()]
PERSON = SsvepParticipant(
    seed=4, targets=tuple(Flicker(freq_hz) for freq_hz in FREQS_HZ.values()), response_uv=6.0
)


def configured(kind: str = "fbcca", **decoder: Any) -> SessionConfig:
    body = {"kind": kind, "targets": TARGETS, "window_s": 1.0, **decoder}
    return parse_config({**STREAM, "decoder": body})


@pytest.fixture(scope="module")
def recording() -> Recording:
    return PERSON.record([0, 1, 2, 1], trial_s=1.5, pause_s=0.5)


def selected(intents: list[Intent]) -> list[tuple[float | None, str]]:
    return [(i.t_trigger, i.label) for i in intents if isinstance(i, SelectionIntent)]


def run(recording: Recording, n: int, swaps: list[RecordedSwap]) -> tuple[list[Intent], str]:
    intents: list[Intent] = []
    done = replay(recording, configured(), n, intents.append, changes=swaps)
    return intents, done.sha256


@settings(max_examples=12)
@given(sample=st.integers(1, 1990), n=st.integers(1, 400))
def test_a_change_at_any_sample_loses_no_decision_and_makes_none_twice(sample: int, n: int) -> None:
    signal = PERSON.record([0, 1, 2, 1], trial_s=1.5, pause_s=0.5)
    plain, _ = run(signal, 50, [])
    other = configured("cca", band_low_hz=7.0).decoder
    changed, digest = run(signal, n, [RecordedSwap(sample, other)])
    assert [time for time, _ in selected(changed)] == [event.time for event in signal.events]
    assert selected(changed) == selected(plain)
    assert [intent.seq for intent in changed] == list(range(1, len(changed) + 1))
    late = {i.decoder for i in changed if i.t_sample > signal.times[min(sample, 1999)]}
    assert late <= {"cca"}
    assert digest == run(signal, 7, [RecordedSwap(sample, other)])[1]


def test_what_cannot_take_over_is_refused_and_nothing_changes(recording: Recording) -> None:
    engine = Engine(configured(), recording.spec)
    pieces = list(recording.chunks(100))
    before = [i for chunk, events in pieces[:8] for i in engine.step(chunk, events)]
    too_high = configured(
        targets=[{"label": "a", "freq_hz": 130.0}, {"label": "b", "freq_hz": 9.0}]
    )
    with pytest.raises(ConfigError):
        engine.swap(too_high.decoder)
    with pytest.raises(ModelError, match="no model"):
        engine.swap(configured("etrca", model="nobody@" + "0" * 12).decoder)
    after = [i for chunk, events in pieces[8:] for i in engine.step(chunk, events)]
    assert selected(before + after) == selected(run(recording, 100, [])[0])


def kalman(seed: int) -> FittedModel:
    rng = np.random.default_rng(seed)
    velocities = rng.standard_normal((300, 2)).cumsum(axis=0) * 0.1
    features = velocities @ np.arange(6.0).reshape(2, 3) + rng.standard_normal((300, 3))
    return KalmanDecoder.fit(KalmanSettings(), features, velocities)


def test_a_cursor_goes_on_from_where_it_is_under_a_newer_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    spec = SignalSpec(50.0, ("a", "b", "c"))
    card = ModelCard(kind="kalman", input=ModelInput.of(spec), decoder={"kind": "kalman"})
    registry = ModelRegistry(tmp_path / "models")
    first, second = (registry.add("hand", kalman(n).to_bytes(), card) for n in (1, 2))
    config = pinned(parse_config({**STREAM, "decoder": {"kind": "kalman", "model": "hand"}}))
    assert config.decoder.model_dump()["model"] == second.reference

    engine = Engine(config, spec)
    rows = np.random.default_rng(0).standard_normal((200, 3))
    times = np.arange(200) / 50
    engine.step(Chunk(rows[:100], times[:100]))
    before = engine.decoder.state()
    engine.swap(config.decoder.model_copy(update={"model": first.reference}))
    assert engine.decoder.state()["position"] == before["position"]
    intents = engine.step(Chunk(rows[100:], times[100:]))
    assert {intent.model for intent in intents} == {first.version}
    assert len(intents) == 100


def test_a_network_that_ships_takes_over_where_it_fits_and_is_refused_where_it_does_not() -> None:
    kalman = {"kind": "kalman", "model": "flint-run1-kalman", "features": {"standardise": False}}
    features = parse_config({**STREAM, "decoder": kalman})
    shipped = shipped_manifests()
    network = shipped["flint-run1-gru"]

    def chosen(name: str) -> Settings:
        decoder = shipped[name].settings_for(features.decoder)
        return parse_config({**STREAM, "decoder": decoder}).decoder

    wanted = chosen(network.name)
    assert wanted.model_dump()["network"] == "flint-run1-gru"
    spec = SignalSpec(10.0, tuple(str(n) for n in range(10)))
    engine = Engine(features, spec)
    rows = np.random.default_rng(0).standard_normal((40, 10))
    engine.step(Chunk(rows[:20], np.arange(20) / 10))
    engine.swap(wanted)
    intents = engine.step(Chunk(rows[20:], np.arange(20, 40) / 10))
    assert {(one.decoder, one.model) for one in intents} == {("recurrent", network.version)}
    with pytest.raises(ConfigError, match="atat"):
        chosen("atat-autoencoder")
    flicker = Engine(configured(), SignalSpec(250.0, ("O1", "Oz", "O2")))
    with pytest.raises(SpecError, match="has 3 channels"):
        flicker.swap(wanted)
    assert flicker.decoder_kind == "fbcca"


def test_a_model_of_other_channels_is_refused_though_their_number_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    card = ModelCard(kind="kalman", input=ModelInput.of(SignalSpec(50.0, ("a", "b", "c"))))
    ModelRegistry(tmp_path / "models").add("hand", kalman(1).to_bytes(), card)
    config = parse_config({**STREAM, "decoder": {"kind": "kalman", "model": "hand"}})
    with pytest.raises(ConfigError, match="channels"):
        Engine(config, SignalSpec(50.0, ("c", "b", "a")))


@given(
    cuts=st.lists(st.integers(0, 30), max_size=12),
    keep=st.integers(0, 40),
    reset=st.integers(0, 12),
)
def test_a_history_holds_the_newest_samples_whatever_they_were_cut_into(
    cuts: list[int], keep: int, reset: int
) -> None:
    history = History(SignalSpec(10.0, ("a", "b")), keep / 10)
    number, begun = 0, 0
    for place, n in enumerate(cuts):
        if place == reset:
            history.begin_anew()
            begun = number
        rows = np.repeat(np.arange(number, number + n, dtype=float)[:, None], 2, axis=1)
        history.add(Chunk(rows, rows[:, 0] / 10), [Event((number + n) / 10, "x")])
        number += n
    samples, times, events = history.all()
    expected = np.arange(max(0, number - keep), number)
    np.testing.assert_array_equal(samples[:, 1], expected)
    assert all(event.time >= times[0] for event in events) if len(times) else not events
    recent, _ = history.recent(1.0)
    np.testing.assert_array_equal(
        recent.samples[:, 0], np.arange(max(begun, number - min(keep, 10)), number)
    )


def test_what_cannot_be_calibrated_says_what_can_and_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else name)
    for give, kind, said in (
        (trainer_of, "dnn", "lacks torch: install the extra train"),
        (fitted_class, "fbcca", "allowed: .*dnn.*etrca"),
    ):
        with pytest.raises(CalibrationError, match=said) as caught:
            give(kind)
        assert caught.value.fields["reason"] == "cannot-be-calibrated"
    assert fitted_class("ssvep_personal") is PersonalDecoder
    assert trainer_of("ssvep_personal") is None
