"""Calibrating SSVEP decoders: what is scored, what is suggested, what is refused and why."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.fitting.calibration import (
    Calibrated,
    CalibrationData,
    CalibrationError,
    joined,
)
from volition.decoders.registry import decoders_by_kind
from volition.decoders.ssvep.calibrating import target_of
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.transfer.personal import PersonalDecoder, PersonalSettings
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

FREQS_HZ = (8.0, 9.6, 11.2, 12.8)
TARGETS = [{"label": f"t{n}", "freq_hz": freq_hz} for n, freq_hz in enumerate(FREQS_HZ)]
PERSON = SsvepParticipant(
    seed=2, targets=tuple(Flicker(hz, 0.8 * n) for n, hz in enumerate(FREQS_HZ)), response_uv=5.0
)
TRIAL_S = 1.3


@functools.cache
def marked(rest: int = 0) -> CalibrationData:
    asked: list[int | None] = [*range(4), *[None] * rest]
    recording = PERSON.record(asked * 4, trial_s=TRIAL_S, pause_s=0.7)
    events: list[Event] = []
    for event in recording.events:
        events += [event, Event(event.time + TRIAL_S, "over")]
    return CalibrationData(recording.spec, recording.samples, recording.times, events)


def calibrated(calibration: CalibrationData, kind: str = "ecca", **settings: Any) -> Calibrated:
    cls: Any = decoders_by_kind()[kind]
    made = cls.settings_model(targets=TARGETS, **settings)
    found: Calibrated = cls.calibrate(made, calibration, lambda *_: None)
    return found


def refused(calibration: CalibrationData, **settings: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        calibrated(calibration, **settings)
    return caught.value


@pytest.mark.parametrize("kind", ["ecca", "etrca"])
def test_a_calibration_scores_what_was_left_out_and_its_model_decodes_another_day(
    kind: str,
) -> None:
    found = calibrated(marked(), kind)
    scores = found.scores
    assert scores["accuracy"] >= 0.8
    assert scores["interval"][0] < scores["accuracy"] <= scores["interval"][1]
    assert [row["window_s"] for row in scores["by_window"]] == [0.5, 0.75, 1.0]
    assert np.array(scores["confusion"]).sum() == scores["n_trials"] == 16
    assert found.settings["window_s"] == scores["suggested_window_s"]
    best = max(row["itr_bits_per_min"] for row in scores["by_window"] if row["accuracy"] >= 0.8)
    assert scores["itr_bits_per_min"] == best

    cls: Any = decoders_by_kind()[kind]
    decoder = cls(cls.settings_model.model_validate(found.settings))
    decoder.use(found.model)
    other = PERSON.record([3, 1, 2, 0], trial_s=TRIAL_S, pause_s=0.7, sitting=5)
    decoder.prepare(other.spec)
    intents = decoder.decode(Chunk(other.samples, other.times), other.events)
    assert sum(one.target == wanted for one, wanted in zip(intents, [3, 1, 2, 0], strict=True)) >= 3


def test_one_that_starts_from_what_others_taught_is_calibrated_at_lengths_of_theirs() -> None:
    whole = marked(rest=1)
    eight = SignalSpec(whole.spec.rate_hz, whole.spec.labels[:8])
    calibration = dataclasses.replace(whole, spec=eight, samples=whole.samples[:, :8])
    found = calibrated(calibration, "ssvep_personal", window_s=1.0)
    assert [row["window_s"] for row in found.scores["by_window"]] == [1.0]
    assert found.scores["accuracy"] >= 0.8
    assert 0 < found.settings["min_confidence"] < 1
    assert found.scores["selected_at_rest"] <= 0.25
    decoder = PersonalDecoder(PersonalSettings.model_validate(found.settings), found.model)
    other = PERSON.record([3, 1, 2, 0], trial_s=TRIAL_S, pause_s=0.7, sitting=5)
    decoder.prepare(eight)
    intents = decoder.decode(Chunk(other.samples[:, :8].copy(), other.times), other.events)
    judged = [one for one in intents if isinstance(one, IdleIntent | SelectionIntent)]
    best = [max(one.evidence, key=one.evidence.__getitem__) for one in judged]
    assert sum(pair[0] == pair[1] for pair in zip(best, ["t3", "t1", "t2", "t0"], strict=True)) >= 3


def test_with_trials_at_rest_the_confidence_that_keeps_rest_silent_is_set() -> None:
    found = calibrated(marked(rest=1))
    threshold = found.scores["suggested_min_confidence"]
    assert found.settings["min_confidence"] == threshold
    assert found.scores["n_rest"] == 4
    assert found.scores["selected_at_rest"] <= 0.25
    assert calibrated(marked()).settings["min_confidence"] == 0.0


def test_a_signal_that_holds_no_flicker_is_not_above_chance() -> None:
    rng = np.random.default_rng(0)
    noise = marked()
    noise = dataclasses.replace(noise, samples=rng.standard_normal(noise.samples.shape))
    assert refused(noise).fields["reason"] == "not-above-chance"


def test_what_cannot_be_used_is_refused_by_a_reason_that_names_it() -> None:
    whole = marked()
    lacking = [event for event in whole.events if event.data.get("freq_hz") != FREQS_HZ[2]]
    missing = refused(dataclasses.replace(whole, events=lacking))
    assert (missing.fields["reason"], missing.fields["targets"]) == ("class-missing", ["t2"])
    few = refused(dataclasses.replace(whole, events=whole.events[:8]))
    assert (few.fields["reason"], few.fields["found"]) == ("too-few-trials", 1)
    assert refused(dataclasses.replace(whole, events=())).fields["reason"] == "no-trials"
    nothing = dataclasses.replace(whole, samples=whole.samples[:0], times=whole.times[:0])
    assert refused(nothing).fields["reason"] == "no-trials"

    flat, wild, gappy = whole.samples.copy(), whole.samples.copy(), whole.samples.copy()
    flat[:, 2], wild[:, 4], gappy[::200] = 7.0, wild[:, 4] * 1e4, np.nan
    error = refused(dataclasses.replace(whole, samples=flat))
    assert (error.fields["reason"], error.fields["channels"]) == ("flat-channel", ["PO3"])
    error = refused(dataclasses.replace(whole, samples=wild))
    assert (error.fields["reason"], error.fields["channels"]) == ("bad-channel", ["PO4"])
    assert refused(dataclasses.replace(whole, samples=gappy)).fields["reason"] == "missing-samples"

    short = [Event(e.time - 1.2, e.name) if e.name == "over" else e for e in whole.events]
    error = refused(dataclasses.replace(whole, events=short))
    assert error.fields["reason"] == "trials-too-short"


def test_a_decoder_that_is_not_calibrated_by_trials_says_so() -> None:
    cls: Any = decoders_by_kind()["ssvep_pretrained"]
    settings = cls.settings_model(targets=TARGETS, window_s=1.0)
    with pytest.raises(CalibrationError, match="not calibrated") as caught:
        cls.calibrate(settings, marked(), lambda *_: None)
    assert caught.value.fields["reason"] == "cannot-be-calibrated"


def test_a_trial_names_its_target_by_label_or_frequency() -> None:
    settings: Any = decoders_by_kind()["ecca"].settings_model
    made = settings(targets=TARGETS, onset_markers=["trial_start"])
    data: list[tuple[dict[str, Any], int | None]] = [
        ({"target": "t1"}, 1),
        ({"freq_hz": 11.2}, 2),
        ({"target": "8 Hz", "freq_hz": 8}, 0),
        ({"target": "rest"}, REST),
        ({"freq_hz": 0}, REST),
        ({"freq_hz": 50.0}, None),
        ({}, None),
    ]
    assert [target_of(Event(0.0, "trial_start", one), made) for one, _ in data] == [
        wanted for _, wanted in data
    ]
    assert target_of(Event(0.0, "cue", {"target": "t1"}), made) is None


def test_the_hash_of_a_calibration_is_of_all_that_it_holds() -> None:
    spec = SignalSpec(10.0, ("a",))
    one = CalibrationData(spec, np.zeros((3, 1)), np.arange(3.0), [Event(1.0, "x", {"a": 1})])
    assert one.sha256() == dataclasses.replace(one).sha256()
    others = [
        dataclasses.replace(one, samples=np.ones((3, 1))),
        dataclasses.replace(one, events=[Event(1.0, "x", {"a": 2})]),
        dataclasses.replace(one, times=np.arange(3.0) + 1),
    ]
    assert len({one.sha256(), *(other.sha256() for other in others)}) == 4


def later(calibration: CalibrationData, by_s: float) -> CalibrationData:
    """Give a recording of another day, on which the flicker began otherwise to its markers."""
    events = [dataclasses.replace(one, time=one.time + by_s) for one in calibration.events]
    return dataclasses.replace(calibration, events=events)


def test_several_recordings_are_judged_by_leaving_each_out_whole() -> None:
    alike = joined([marked(), marked()])
    found = calibrated(alike)
    assert found.scores["left_out"] == "recordings"
    assert found.scores["n_trials"] == 32
    assert found.scores["accuracy"] >= 0.8
    assert calibrated(marked()).scores["left_out"] == "blocks"


def test_a_calibration_that_does_not_hold_on_the_next_recording_is_refused() -> None:
    alone = calibrated(marked(), "etrca").scores["accuracy"]
    days = joined([later(marked(), by_s) for by_s in (0.0, 0.03, 0.06)])
    assert refused(days, kind="etrca").fields["reason"] == "not-above-chance"
    assert alone >= 0.8
