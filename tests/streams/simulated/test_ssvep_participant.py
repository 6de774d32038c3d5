"""The simulated participant: the same for the same seed, locked to the phase, and like a person."""

from __future__ import annotations

import itertools
import threading
import uuid

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.errors import ConfigError
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.simulated.headset import HeadsetOptions, run_headset
from volition.streams.simulated.ssvep_participant import (
    OCCIPITAL,
    Flicker,
    SsvepParticipant,
    jfpm_targets,
    scalp_position,
)

QUIET = {"background_uv": 0.0, "alpha_uv": 0.0, "sensor_uv": 0.0, "mains_uv": 0.0,
         "blinks_per_min": 0.0, "gain_spread": 0.0, "jitter_s": 0.0}  # fmt: skip


def quiet(**changes: object) -> SsvepParticipant:
    return SsvepParticipant(**{"targets": (Flicker(10.0),), **QUIET, **changes})  # type: ignore[arg-type] # a test's free choice


@hypothesis.settings(max_examples=10)
@hypothesis.given(lengths=st.lists(st.integers(0, 300), max_size=12), look=st.integers(0, 900))
def test_every_sample_follows_from_the_seed_however_it_is_cut(
    lengths: list[int], look: int
) -> None:
    participant = SsvepParticipant(seed=4, blinks_per_min=60)
    whole, cut = participant.sit(), participant.sit()
    for signal in (whole, cut):
        signal.attend(3, at_sample=look)
        signal.attend(None, at_sample=look + 100)
    edges = [0, *(min(edge, 1200) for edge in itertools.accumulate(lengths)), 1200]
    pieces = [cut.take(first, stop) for first, stop in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.take(0, 1200))


def test_another_seed_is_another_person_and_another_sitting_another_day() -> None:
    ours, again = SsvepParticipant(seed=1), SsvepParticipant(seed=1)
    np.testing.assert_array_equal(ours.sit().take(0, 500), again.sit().take(0, 500))
    assert not np.array_equal(ours.sit(1).take(0, 500), ours.sit(0).take(0, 500))
    assert not np.array_equal(SsvepParticipant(seed=2).sit().take(0, 500), ours.sit().take(0, 500))


def test_the_response_follows_the_flickers_phase_after_the_latency_of_vision() -> None:
    # A quarter of a period later on the screen is a quarter of a period later in the signal.
    early, late = (
        quiet(targets=(Flicker(10.0, phase),)).epochs(1, 2.0)[0, 0] for phase in (0.0, np.pi / 2)
    )
    shift = round(0.25 * 250 / 10)
    settled = slice(250, 500)
    first = early[:, settled] @ np.exp(-2j * np.pi * 10 * np.arange(250) / 250)
    second = late[:, settled] @ np.exp(-2j * np.pi * 10 * np.arange(250) / 250)
    assert shift == 6
    np.testing.assert_allclose(np.angle(second / first), np.pi / 2, atol=1e-4)


def test_nothing_is_answered_before_the_latency_and_nothing_when_looking_away() -> None:
    signal = quiet(latency_s=0.2).sit()
    signal.attend(0)
    before, after = signal.take(0, 50), signal.take(50, 300)
    assert not before[:-1].any()
    assert np.abs(after).max() > 0.5
    signal.attend(None)
    assert np.abs(signal.take(300, 320)).max() > 0.5  # what is seen now left the screen earlier
    assert np.abs(signal.take(320, 800)[-100:]).max() < 1e-6


def test_trials_are_alike_in_phase_and_differ_in_strength() -> None:
    participant = SsvepParticipant(
        seed=3, targets=(Flicker(12.0), Flicker(9.0, 1.0)), background_uv=3, alpha_uv=1
    )
    epochs = participant.epochs(20, 1.0)[:, 0]
    mean = epochs.mean(axis=0)
    mean -= mean.mean(axis=1, keepdims=True)
    oz = OCCIPITAL.index("Oz")
    at_12_hz = np.exp(-2j * np.pi * 12 * np.arange(250) / 250)
    each = epochs[:, oz, -250:] @ at_12_hz
    locked = np.abs(np.exp(1j * np.angle(each)).mean())
    assert locked > 0.6  # of 1; unrelated phases give about 0.2
    assert np.abs(each).std() > 0.1 * np.abs(each).mean()


def test_blinks_are_at_the_forehead_and_hardly_at_the_back() -> None:
    participant = SsvepParticipant(labels=("Fp1", "Cz", "Oz"), blinks_per_min=30)
    samples = participant.sit().take(0, 250 * 30)
    assert np.abs(samples[:, 0]).max() > 120
    assert np.abs(samples[:, 2]).max() < 60


def test_a_recording_has_the_trials_that_were_asked_for() -> None:
    participant = SsvepParticipant()
    recording = participant.record([5, None, 39], trial_s=2.0, pause_s=0.5)
    assert recording.spec.labels == OCCIPITAL
    assert recording.duration_s == pytest.approx(7.5)
    assert [event.time for event in recording.events] == [0.5, 3.0, 5.5]
    assert [event.data["freq_hz"] for event in recording.events] == [13, 0, 15.8]
    assert len(participant.record([])) == 0


def test_the_forty_targets_are_those_of_the_speller() -> None:
    targets = jfpm_targets()
    assert [target.freq_hz for target in targets[:9]] == [8, 9, 10, 11, 12, 13, 14, 15, 8.2]
    in_order = sorted(targets, key=lambda target: target.freq_hz)
    steps = [round(target.phase_rad / (np.pi / 2)) % 4 for target in in_order]
    assert steps == [number % 4 for number in range(40)]


def test_electrodes_lie_where_the_10_10_system_puts_them() -> None:
    assert scalp_position("Oz") == (0.0, -4.0)
    assert scalp_position("O1") == (-1.0, -4.0)
    assert scalp_position("PO8") == (4.0, -3.0)
    assert scalp_position("FC5") == (-3.0, 1.0)


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'X9' is not of the 10-10 system"):
        SsvepParticipant(labels=("Oz", "X9"))
    with pytest.raises(ConfigError, match="rate above 31"):
        SsvepParticipant(rate_hz=30.0)
    with pytest.raises(ConfigError, match="at least 2 electrodes"):
        SsvepParticipant(labels=("Oz",))
    signal = quiet().sit()
    with pytest.raises(ConfigError, match="target 1 of 1"):
        signal.attend(1)
    signal.take(0, 100)
    with pytest.raises(ConfigError, match="sample 50 has gone by"):
        signal.attend(0, at_sample=50)
    with pytest.raises(ConfigError, match="100 is next, found 120 to 130"):
        signal.take(120, 130)


def test_a_marker_that_comes_within_the_latency_of_vision_comes_in_time() -> None:
    early, late = quiet().sit(), quiet().sit()
    early.attend(0, at_sample=70)
    late.take(0, 100)
    late.attend(0, at_sample=70)
    assert np.array_equal(late.take(100, 400), (early.take(0, 100), early.take(100, 400))[1])


def test_a_headset_plays_a_participant_who_is_told_live_what_to_attend_to() -> None:
    signal = quiet().sit()
    stop, playing = threading.Event(), threading.Event()
    source_id = f"participant-{uuid.uuid4().hex[:8]}"
    options = HeadsetOptions(signal, source_id=source_id, consumer_timeout_s=20, linger_s=0)
    thread = threading.Thread(
        target=run_headset, args=(options, stop), kwargs={"on_playing": lambda _: playing.set()}
    )
    thread.start()
    try:
        with SignalInlet(find_one(source_id=source_id, wait_s=20.0)) as inlet:
            inlet.open(timeout_s=20.0)
            assert playing.wait(20)
            signal.attend(0)
            loudest, n_chunks = 0.0, 0
            while loudest < 0.5 and n_chunks < 2000:
                chunk = inlet.pull(timeout_s=1.0)
                n_chunks += 1
                if len(chunk):
                    loudest = max(loudest, float(np.abs(chunk.samples).max()))
        assert loudest >= 0.5
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
