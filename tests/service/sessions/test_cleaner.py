"""What a decoder is given of a signal: the same wherever it decides or learns, gaps included."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.benchmarks.quality.contract.trials import Trial, TrialRecording
from volition.benchmarks.quality.learning import pretraining
from volition.benchmarks.quality.learning.cut_trials import CutTrials
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.contract.stage import Stage
from volition.decoders.fitting.fitted import load_model
from volition.decoders.registry import build_stage
from volition.decoders.ssvep.transfer.pretrained import arrays_for, log_odds
from volition.decoders.ssvep.transfer.pretraining import TrainingWindows, collect
from volition.decoders.stages.bandpass import BandpassSettings
from volition.decoders.stages.gate import GateSettings
from volition.decoders.stages.notch import NotchSettings
from volition.errors import ConfigError
from volition.service.calibration import fitter
from volition.service.sessions.cleaner import Cleaner
from volition.service.sessions.config import SessionConfig, load_config
from volition.service.sessions.engine import Engine, run_offline
from volition.streams.files.recording import Recording, packaged_recordings, read_recording
from volition.streams.files.xdf_writer import XdfWriter
from volition.streams.signal.continuity import ContinuitySettings

RATE_HZ = 250.0
SPEC = SignalSpec(RATE_HZ, ("a", "b"))


def filters() -> list[Stage[Any]]:
    return [build_stage(BandpassSettings(low_hz=5, high_hz=40)), build_stage(NotchSettings())]


def made(n_samples: int = 2000) -> tuple[FloatArray, FloatArray]:
    samples = np.random.default_rng(0).normal(0, 10, (n_samples, 2))
    return samples, 50 + np.arange(n_samples) / RATE_HZ


def lost(signal: tuple[FloatArray, FloatArray], *spans: range) -> tuple[FloatArray, FloatArray]:
    """Leave out samples: of the stamps that are left, those after a span step over it."""
    samples, times = signal
    kept = np.setdiff1d(np.arange(len(times)), np.concatenate([[], *spans]))
    return samples[kept], times[kept]


#: A gap of 20 ms, which is bridged, and one of 1.2 s.
SHORT_GAP, LONG_GAP = range(300, 305), range(1000, 1300)


def cut(cleaner: Cleaner, signal: tuple[FloatArray, FloatArray], at: Iterable[int]) -> list[Chunk]:
    """Clean a signal in chunks that end at the given places; give what is between resets."""
    samples, times = signal
    found: list[list[Chunk]] = [[]]
    for start, stop in itertools.pairwise([0, *at, len(times)]):
        for piece in cleaner.pieces(Chunk(samples[start:stop].copy(), times[start:stop].copy())):
            if piece.reset:
                found.append([])
            found[-1].append(Chunk(piece.chunk.samples.copy(), piece.chunk.times.copy()))
    return [joined(parts) for parts in found]


def joined(parts: Sequence[Chunk]) -> Chunk:
    return Chunk(
        np.concatenate([part.samples for part in parts]),
        np.concatenate([part.times for part in parts]),
    )


def assert_same(found: Sequence[Chunk], wanted: Sequence[Chunk]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.samples, other.samples)


# -- pieces -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 1695)).map(sorted))
def test_the_pieces_are_the_same_however_the_signal_is_cut(at: list[int]) -> None:
    signal = lost(made(), SHORT_GAP, LONG_GAP)
    signal[0][400, 1] = np.inf
    whole = Cleaner(SPEC, filters()).stretches(*signal)
    assert [len(stretch) for stretch in whole] == [1000, 700]
    assert_same(cut(Cleaner(SPEC, filters()), signal, at), whole)


def test_a_chunk_with_which_nothing_is_wrong_is_one_piece_that_goes_on() -> None:
    samples, times = made(20)
    cleaner = Cleaner(SPEC, filters())
    list(cleaner.pieces(Chunk(samples[:10].copy(), times[:10])))
    (piece,) = cleaner.pieces(Chunk(samples[10:].copy(), times[10:]))
    assert not piece.reset
    assert len(piece.chunk) == 10


def test_behind_a_long_gap_the_stages_begin_anew() -> None:
    _, after = Cleaner(SPEC, filters()).stretches(*lost(made(), LONG_GAP))
    samples, times = made()
    (fresh,) = Cleaner(SPEC, filters()).stretches(samples[1300:], times[1300:])
    assert_same([after], [fresh])


def test_a_short_gap_is_bridged_as_the_settings_say() -> None:
    signal = lost(made(), SHORT_GAP)
    held = Cleaner(SPEC, filters()).whole(*signal)
    on_a_line = Cleaner(SPEC, filters(), ContinuitySettings("interpolate")).whole(*signal)
    forgotten = Cleaner(SPEC, filters(), ContinuitySettings("reset")).stretches(*signal)
    assert len(held) == len(on_a_line) == 2000
    assert np.flatnonzero(np.isnan(held.samples[:, 0])).tolist() == list(SHORT_GAP)
    assert np.isfinite(on_a_line.samples).all()
    assert [len(stretch) for stretch in forgotten] == [300, 1695]


def test_a_chunk_of_repeats_alone_gives_one_piece_that_is_empty() -> None:
    samples, times = made(20)
    cleaner = Cleaner(SPEC, filters())
    list(cleaner.pieces(Chunk(samples.copy(), times.copy())))
    (piece,) = cleaner.pieces(Chunk(samples[15:].copy(), times[15:].copy()))
    assert (len(piece.chunk), len(piece.times), piece.reset) == (0, 0, False)
    assert cleaner.continuity.counts.repeated == 5


def test_a_piece_names_the_times_of_what_went_in_where_a_stage_holds_samples_back() -> None:
    samples, times = made(500)
    cleaner = Cleaner(SPEC, [build_stage(GateSettings(window_s=0.5, lookahead_s=1.0))])
    (piece,) = cleaner.pieces(Chunk(samples.copy(), times.copy()))
    np.testing.assert_array_equal(piece.times, times)
    assert piece.chunk.times[-1] < times[-1]


def test_a_signal_without_samples_has_no_stretch_and_is_empty() -> None:
    cleaner = Cleaner(SPEC, filters())
    assert cleaner.stretches(np.empty((0, 2)), np.empty(0)) == []
    assert cleaner.whole(np.empty((0, 2)), np.empty(0)).samples.shape == (0, 2)


def test_cleaning_a_whole_signal_leaves_the_signal_as_it_was() -> None:
    samples, times = made()
    Cleaner(SPEC, filters()).whole(samples, times)
    np.testing.assert_array_equal(samples, made()[0])


def test_a_stage_that_cannot_work_on_the_signal_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="half the rate"):
        Cleaner(SPEC, [build_stage(NotchSettings(freq_hz=200))])


# -- one path ---------------------------------------------------------------------------------

CONFIG = load_config("ssvep-pretrained")
#: Faults of the packaged recording below: a short gap within a trial's window, a long one between
#: trials, one within a trial's window; and where a value is not finite, within another's.
GAPS_S = ((48.0, 48.1), (60.0, 63.0), (84.0, 84.5))
BAD_VALUE_S = 102.0


@pytest.fixture(scope="module")
def gappy() -> Recording:
    """A real person's recording in which samples, and once a value, are missing."""
    whole = read_recording(packaged_recordings()["ssvep-exo-s12"])
    since_s = whole.times - whole.times[0]
    kept = since_s < 122
    for start_s, stop_s in GAPS_S:
        kept &= (since_s < start_s) | (since_s >= stop_s)
    samples = whole.samples[kept]
    times = whole.times[kept]
    samples[np.searchsorted(times, times[0] + BAD_VALUE_S), 3] = np.nan
    events = tuple(event for event in whole.events if event.time < times[-1])
    return dataclasses.replace(whole, samples=samples, times=times, events=events)


@pytest.fixture
def trials(gappy: Recording) -> TrialRecording:
    asked = tuple(
        Trial(event.time, float(event.data["freq_hz"]))
        for event in gappy.events
        if event.name == "trial_start"
    )
    return TrialRecording("S12_r1", 12, gappy, asked, 5.0)


def seen_live(recording: Recording, config: SessionConfig) -> Chunk:
    """Give what a live session's decoder is shown, in chunks of 40 ms."""
    engine = Engine(config, recording.spec)
    shown: list[Chunk] = []
    engine.on_cleaned = lambda chunk: shown.append(Chunk(chunk.samples.copy(), chunk.times.copy()))
    for chunk, events in recording.chunks(10):
        engine.step(chunk, events)
    assert engine.cleaner.continuity.counts.resets == 2
    return joined(shown)


def seen_in_a_calibration(recording: Recording, config: SessionConfig, folder: Path) -> Chunk:
    path = folder / "gappy.xdf"
    with XdfWriter(path) as writer:
        stream = writer.add_signal(recording.spec, name="exo", source_id="exo")
        writer.write_samples(stream, recording.samples, recording.times)
    calibration = fitter.cleaned(config, path)
    return Chunk(calibration.samples, calibration.times)


def seen_in_training(
    one: TrialRecording, config: SessionConfig, monkeypatch: pytest.MonkeyPatch
) -> Chunk:
    shown: list[Chunk] = []

    def noted(settings: Any, spec: Any, chunks: list[Chunk], *more: Any) -> TrainingWindows:
        shown.extend(chunks)
        return collect(settings, spec, chunks, *more)

    monkeypatch.setattr(pretraining, "collect", noted)
    pretraining.collect_people([one], config)
    return joined(shown)


def test_a_session_a_calibration_and_a_training_give_the_decoder_the_same_samples(
    trials: TrialRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = trials.recording
    live = seen_live(recording, CONFIG)
    assert np.isnan(live.samples).any()
    assert_same([seen_in_a_calibration(recording, CONFIG, tmp_path)], [live])
    assert_same([seen_in_training(trials, CONFIG, monkeypatch)], [live])


def test_a_training_measures_the_windows_that_a_live_decoder_decides_on_and_no_others(
    trials: TrialRecording,
) -> None:
    intents = list(run_offline(CONFIG, trials.recording.spec, trials.recording.chunks(16)))
    decided = [
        list(intent.evidence.values())
        for intent in intents
        if isinstance(intent, SelectionIntent | IdleIntent) and intent.evidence
    ]
    # Where a long gap came the trial is forgotten; a short one or a bad value is told as idle.
    assert (len(trials.trials), len(intents), len(decided)) == (9, 8, 6)
    windows = pretraining.collect_people([trials], CONFIG)["12"]
    rows = windows.counted
    model = arrays_for(load_model("ssvep-pretrained"), 2.0, 5)
    evidence = log_odds(model, windows.at[rows], windows.beside[rows], windows.baseline[rows])
    np.testing.assert_allclose(evidence, decided, rtol=1e-9, atol=1e-9)


def test_no_trial_to_calibrate_on_is_put_together_from_both_sides_of_a_gap(
    trials: TrialRecording,
) -> None:
    found = CutTrials.of(trials, CONFIG)
    whole = np.isfinite(found.epochs).all(axis=(1, 2))
    since_s = np.array([trial.onset for trial in trials.trials]) - trials.recording.times[0]
    missing_s = [*GAPS_S, (BAD_VALUE_S, BAD_VALUE_S)]
    # A window of 2 s from 1 s after the cue, and the second before it that settles the filters.
    spared = [
        all(onset_s + 3 <= start_s or onset_s > stop_s for start_s, stop_s in missing_s)
        for onset_s in since_s.tolist()
    ]
    assert 0 < sum(spared) < len(spared)
    assert whole.tolist() == spared
