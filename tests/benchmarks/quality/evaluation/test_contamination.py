"""What artifacts cost and what stages win back: the mixing, the sums, and the shipped preset."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from volition.benchmarks.quality.contract.denoising import Segments
from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.benchmarks.quality.datasets import denoise_mix, ssvep_exo, ssvep_exo_mixed
from volition.benchmarks.quality.datasets.ssvep_exo_mixed import KINDS, LEVELS_UV, mix
from volition.benchmarks.quality.evaluation.contamination import evaluate_contamination
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import load_config


@pytest.fixture
def recording(shared_data: Path) -> TrialRecording:
    return next(ssvep_exo.load(shared_data / "ssvep_exo"))


@pytest.fixture
def segments(shared_data: Path) -> Segments:
    return denoise_mix.load_segments(shared_data / "denoise_mix").part(test=True)


def test_artifacts_are_as_large_as_was_said_and_come_again_by_their_seed(
    recording: TrialRecording, segments: Segments
) -> None:
    def added(seed: int = 0, **levels_uv: float) -> np.ndarray:
        mixed = mix(recording, segments, levels_uv, seed)
        difference: np.ndarray = mixed.recording.samples - recording.recording.samples
        return difference

    blinks = added(blink=100.0)
    assert np.abs(blinks).max() == pytest.approx(100.0, rel=0.2)  # two may meet
    np.testing.assert_allclose(added(blink=50.0), blinks / 2, atol=1e-9)
    np.testing.assert_allclose(added(blink=100.0, pop=200.0) - added(pop=200.0), blinks, atol=1e-9)
    assert not np.array_equal(added(seed=1, blink=100.0), blinks)
    pops = added(pop=300.0)
    assert 200 < np.abs(pops).max() < 600
    reached = (np.abs(pops) > 1).sum(axis=1)
    assert 0 < np.median(reached[reached > 0]) <= 4
    bursts = added(emg=50.0)
    lasting = np.abs(bursts).max(axis=1) > 1e-9
    assert 0.1 < lasting.mean() < 0.6
    assert 15 < np.sqrt(np.square(bursts[lasting]).mean()) < 50


def test_a_recording_of_another_rate_is_not_mixed_into(
    recording: TrialRecording, segments: Segments
) -> None:
    slower = dataclasses.replace(segments, rate_hz=500.0)
    with pytest.raises(RecordingError, match="500 Hz"):
        mix(recording, slower, {"blink": 50.0})


def test_a_session_that_cleans_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has none"):
        evaluate("ssvep_exo_mixed", tmp_path, load_config("fbcca-exo"))


@pytest.mark.slow
def test_the_shipped_preset_wins_back_half_of_what_artifacts_cost(shared_data: Path) -> None:
    chosen = {"S05_r1"}
    some = [one for one in ssvep_exo.load(shared_data / "ssvep_exo") if one.name in chosen]
    one = dataclasses.replace(ssvep_exo.DATASET, load=lambda *_, **__: iter(some))
    dataset = dataclasses.replace(ssvep_exo_mixed.DATASET, trials=one)
    found = evaluate_contamination(dataset, shared_data / "ssvep_exo", load_config("asr"), ["all"])
    assert [(row["artifacts"], row["stages"]) for row in found["rows"]] == [
        ("untouched", False),
        ("untouched", True),
        ("all", False),
        ("all", True),
    ]
    untouched, _, without, with_stages = (row["accuracy"] for row in found["rows"])
    assert found["cost"]["all"] == pytest.approx(untouched - without)
    assert found["cost"]["all"] > 0.1
    share = (with_stages - without) / (untouched - without)
    assert found["won_back"]["all"] == pytest.approx(share)
    assert share >= 0.5
    assert found["stages_cost_untouched"] <= 0.01
    assert set(found["levels_uv"]["strong"]) == set(KINDS) == set(LEVELS_UV["severe"])
