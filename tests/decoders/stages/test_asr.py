"""ASR in both geometries: clean data comes out as it came, artifacts do not, however it is cut."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.decoders.stages.artifact_signals import RATE_HZ, blinks, brain, run, spec_of
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.stages.asr import Asr, AsrSettings, SubspaceStage
from volition.decoders.stages.riemannian_asr import RiemannianAsr, RiemannianAsrSettings
from volition.errors import ConfigError, NotFittedError

Make = Callable[..., SubspaceStage[Any]]


def asr(**settings: float) -> Asr:
    return Asr(AsrSettings.model_validate({"calibration_s": 10, "lookahead_s": 0, **settings}))


def rasr(**settings: float) -> RiemannianAsr:
    return RiemannianAsr(
        RiemannianAsrSettings.model_validate({"calibration_s": 10, "lookahead_s": 0, **settings})
    )


both = pytest.mark.parametrize("make", [asr, rasr])


def with_blinks(signal: FloatArray, at_s: list[float], height_uv: float = 100.0) -> FloatArray:
    """Add blinks to the first two channels."""
    spread = np.zeros(signal.shape[1])
    spread[:2] = height_uv
    return signal + blinks(len(signal), at_s)[:, None] * spread


@both
@pytest.mark.parametrize("share_of_default", [1.0, 0.7])
def test_white_noise_is_returned_as_it_came(make: Make, share_of_default: float) -> None:
    noise = 10 * np.random.default_rng(0).standard_normal((20 * 250, 8))
    stage = make(cutoff=share_of_default * make().settings.cutoff)
    stage.prepare(spec_of(8))
    np.testing.assert_array_equal(run(stage, noise).samples, noise)
    assert stage.state()["repaired_share"] == 0


@both
@pytest.mark.parametrize("lookahead_s", [0.128, 0.256])
def test_a_blink_of_100_uv_in_two_channels_keeps_less_than_a_fifth_of_its_energy(
    make: Make, lookahead_s: float
) -> None:
    clean = brain(30, 8)
    at_s = [14.0, 17.3, 21.1, 25.7]
    given = with_blinks(clean, at_s)
    stage = make(lookahead_s=lookahead_s)
    stage.prepare(spec_of(8))
    cleaned = run(stage, given).samples
    during = blinks(len(cleaned), at_s) > 0.2
    artifact = (given - clean)[: len(cleaned)][during]
    residue = (cleaned - clean[: len(cleaned)])[during][:, :2]
    assert np.square(residue).sum() < 0.2 * np.square(artifact).sum()
    untouched = blinks(len(cleaned), at_s) < 1e-12
    untouched &= np.arange(len(cleaned)) < 13 * 250
    np.testing.assert_array_equal(cleaned[untouched], given[: len(cleaned)][untouched])


@both
def test_blinks_within_the_calibration_do_no_harm(make: Make) -> None:
    clean = brain(30, 8)
    given = with_blinks(clean, [2.0, 5.5, 8.0, 15.0, 20.0, 25.0])
    stage = make(cutoff=10, lookahead_s=0.256)
    stage.prepare(spec_of(8))
    cleaned = run(stage, given).samples
    during = blinks(len(cleaned), [15.0, 20.0, 25.0]) > 0.2
    before = np.square((given - clean)[: len(cleaned)][during]).sum()
    after = np.square((cleaned - clean[: len(cleaned)])[during][:, :2]).sum()
    assert after < 0.2 * before


@both
@hypothesis.settings(max_examples=8)
@hypothesis.given(cuts=st.lists(st.integers(0, 700), max_size=12))
def test_with_lookahead_too_cuts_change_no_bit(make: Make, cuts: list[int]) -> None:
    signal, expected, state = in_one_piece(make)
    cut = make(calibration_s=3, cutoff=5, lookahead_s=0.1)
    cut.prepare(spec_of(5))
    found = run(cut, signal, cuts, step=333)
    assert state["repaired_share"] > 0
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_array_equal(found.samples, expected.samples)


@functools.cache
def in_one_piece(make: Make) -> tuple[FloatArray, Chunk, dict[str, Any]]:
    """Give a signal, what the stage makes of it when it comes as a whole, and its state then."""
    signal = with_blinks(brain(8, 5), [4.0, 5.0, 6.5], 300.0)
    signal[1300:1310, 1] = np.nan
    stage = make(calibration_s=3, cutoff=5, lookahead_s=0.1)
    stage.prepare(spec_of(5))
    return signal, run(stage, signal, step=len(signal)), stage.state()


@both
def test_no_sample_waits_longer_than_stated_or_is_touched_by_what_comes_later(
    make: Make,
) -> None:
    signal = with_blinks(brain(8, 4), [4.0, 6.0], 500.0)
    other = signal.copy()
    other[1600:] *= -50
    stages = [make(calibration_s=3, cutoff=5, lookahead_s=0.2) for _ in range(2)]
    for stage in stages:
        stage.prepare(spec_of(4))
    ours = run(stages[0], signal[:1600])
    assert ours.times[-1] >= 1599 / RATE_HZ - stages[0].latency_s - 1e-9
    theirs = run(stages[1], other)
    # What had come out when sample 1600 came is what comes out whatever follows.
    np.testing.assert_array_equal(theirs.samples[: len(ours)], ours.samples)


@both
@pytest.mark.parametrize("n_channels", [1, 2, 64, 256])
def test_it_works_on_1_to_256_channels(make: Make, n_channels: int) -> None:
    signal = with_blinks(brain(3.2, n_channels), [2.8], 2000.0)
    stage = make(calibration_s=2, cutoff=5, step_s=0.1)
    stage.use(stage.fit(signal[:500], spec_of(n_channels)))
    stage.prepare(spec_of(n_channels))
    signal = signal[500:]
    cleaned = run(stage, signal).samples
    assert np.isfinite(cleaned).all()
    if n_channels == 1:  # there is nothing to rebuild it from
        np.testing.assert_array_equal(cleaned, signal)
    else:
        late = slice(round(0.75 * 250), None)
        assert np.square(cleaned[late]).sum() < 0.5 * np.square(signal[late]).sum()


@both
def test_an_average_reference_is_cleaned_like_any_other(make: Make) -> None:
    clean = brain(30, 8)
    given = with_blinks(clean, [15.0, 20.0], 200.0)
    clean, given = (x - x.mean(axis=1, keepdims=True) for x in (clean, given))
    stage = make(cutoff=10, lookahead_s=0.256)
    stage.prepare(spec_of(8))
    cleaned = run(stage, given).samples
    during = blinks(len(cleaned), [15.0, 20.0]) > 0.2
    before = np.square((given - clean)[: len(cleaned)][during]).sum()
    after = np.square((cleaned - clean[: len(cleaned)])[during][:, :2]).sum()
    assert after < 0.2 * before
    np.testing.assert_allclose(cleaned.sum(axis=1), 0, atol=1e-6)


@both
def test_a_calibration_goes_through_a_file_and_is_not_forgotten(make: Make) -> None:
    signal = with_blinks(brain(15, 6), [12.0, 14.0])
    file = io.BytesIO()
    learned, given = make(cutoff=5), make(cutoff=5)
    learned.prepare(spec_of(6))
    n_calibration = 2500 // learned.block_samples * learned.block_samples
    parameters: dict[str, Any] = make().fit(signal[:n_calibration], spec_of(6))
    np.savez(file, **parameters)
    file.seek(0)
    given.use(dict(np.load(file)))
    given.prepare(spec_of(6))
    assert given.state()["calibration"]["done"]
    given.reset()
    assert given.state()["calibration"]["done"]
    assert not learned.state()["calibration"]["done"]
    after = run(given, signal).samples[2750:]
    np.testing.assert_allclose(after, run(learned, signal).samples[2750:], atol=1e-6)


def test_a_calibration_of_other_channels_is_refused() -> None:
    stage = asr()
    stage.use(asr().fit(brain(5, 6), spec_of(6)))
    with pytest.raises(ConfigError, match=r"6 channels.*5 to work on"):
        stage.prepare(spec_of(5))


def test_too_little_to_calibrate_on_is_told_and_tried_again() -> None:
    with pytest.raises(NotFittedError, match=r"at least 1\.5 s"):
        asr().fit(brain(1, 4), spec_of(4))
    stage = asr(calibration_s=2)
    stage.prepare(spec_of(4))
    signal = brain(6, 4)
    signal[:400] = np.nan
    run(stage, signal[:550])
    state = stage.state()
    assert "too little" in state["calibration"]["problem"]
    run(stage, signal[550:])
    assert stage.state()["calibration"] == {"done": True}


def test_channels_that_are_no_eeg_are_left_alone() -> None:
    signal = with_blinks(brain(15, 5), [12.0], 500.0)
    signal[:, 4] *= 1000
    stage = asr(cutoff=5)
    stage.prepare(SignalSpec(RATE_HZ, tuple("abcde"), kinds=("EEG",) * 4 + ("AUX",)))
    cleaned = run(stage, signal).samples
    assert stage.state()["repaired_share"] > 0
    np.testing.assert_array_equal(cleaned[:, 4], signal[:, 4])


@both
def test_the_state_says_what_was_done_and_by_how_much(make: Make) -> None:
    stage = make(cutoff=10, lookahead_s=0.256)
    stage.prepare(spec_of(8))
    assert stage.state()["latency_s"] == pytest.approx(0.256)
    run(stage, brain(5, 8))
    assert 0.4 < stage.state()["calibration"]["progress"] < 0.6
    run(stage, with_blinks(brain(20, 8), [11.0, 12.0]))
    state = stage.state()
    json.dumps(state, allow_nan=False)
    assert 0 < state["repaired_share"] < 0.4
    assert 0 < state["removed_share_of_energy_where_repaired"] < 1
