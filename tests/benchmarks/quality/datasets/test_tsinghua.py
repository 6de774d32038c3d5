"""Loaders of the forty-target data sets: files of the published shape, and eight real trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from volition.benchmarks.quality.datasets import tsinghua
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.errors import RecordingError
from volition.service.sessions.config import SessionConfig, load_config


def speller(window_s: float) -> SessionConfig:
    config = load_config("fbcca-40").model_dump(mode="json")
    config["decoder"]["window_s"] = window_s
    return SessionConfig.model_validate(config)


def trial(freq_hz: float, n_samples: int) -> np.ndarray:
    """Give one channel's trial: a flicker from 0.64 s on, in noise."""
    times = np.arange(n_samples) / 250 - 0.64
    wave = np.where(times >= 0, 2 * np.sin(2 * np.pi * freq_hz * times), 0.0)
    return wave + np.random.default_rng(round(10 * freq_hz)).standard_normal(n_samples)


@pytest.mark.parametrize(("window_s", "at_least"), [(2.0, 7), (3.0, 8)])
def test_eight_real_trials_are_read_among_forty_targets(
    shared_data: Path, window_s: float, at_least: int
) -> None:
    result = evaluate("benchmark_8", shared_data / "ssvep_benchmark_8", speller(window_s))
    assert result["n_trials"] == 8
    assert round(8 * result["mean_accuracy"]) >= at_least
    assert result["decision_s"] == pytest.approx(0.14 + window_s, abs=0.01)
    assert result["false_selections_per_min"] is None


def test_a_file_of_the_benchmarks_shape_is_read_block_by_block(tmp_path: Path) -> None:
    data = np.zeros((64, 750, 40, 2))
    occipital = tsinghua.CHANNELS.index("Oz")
    for target, freq_hz in enumerate(tsinghua.benchmark_freqs_hz()):
        data[:, :, target, :] = np.random.default_rng(target).standard_normal((64, 750, 2))
        data[occipital, :, target, :] = 3 * trial(freq_hz, 750)[:, None] + 50
    savemat(tmp_path / "S3.mat", {"data": data})
    first, second = tsinghua.load_benchmark(tmp_path, channels=["Oz", "O1"])
    assert (first.name, second.name, first.person) == ("S3_block1", "S3_block2", 3)
    assert (first.trial_s, len(first.trials)) == (2.0, 40)
    assert [one.freq_hz for one in first.trials[:9]] == [8, 9, 10, 11, 12, 13, 14, 15, 8.2]
    assert first.trials[1].onset == (750 + 125) / 250
    assert first.recording.spec.labels == ("Oz", "O1")
    result = evaluate("benchmark", tmp_path, speller(1.5))
    assert result["mean_accuracy"] > 0.9
    assert result["n_recordings"] == 2


def test_a_file_of_betas_shape_is_read_with_its_own_order_of_targets(tmp_path: Path) -> None:
    data = np.zeros((64, 750, 1, 40))
    for target in range(40):
        data[:, :, 0, target] = target + np.arange(750)
    savemat(tmp_path / "S1.mat", {"data": {"EEG": data}})
    (block,) = tsinghua.load_beta(tmp_path)
    assert [one.freq_hz for one in block.trials[:2]] == [8.6, 8.8]
    assert [one.freq_hz for one in block.trials[-3:]] == [8.0, 8.2, 8.4]
    assert block.recording.samples.shape == (40 * 750, 64)


def test_other_files_are_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"S1\.mat, S2\.mat"):
        list(tsinghua.load_benchmark(tmp_path))
    savemat(tmp_path / "S1.mat", {"data": np.zeros((64, 10, 3, 2))})
    with pytest.raises(RecordingError, match=r"\(64, any, 40, any\); found \(64, 10, 3, 2\)"):
        list(tsinghua.load_benchmark(tmp_path))
    (tmp_path / "S1.mat").write_bytes(b"nothing")
    with pytest.raises(RecordingError, match="cannot be read"):
        list(tsinghua.load_beta(tmp_path))
    with pytest.raises(RecordingError, match=r"one \.npz file"):
        list(tsinghua.load_benchmark_8(tmp_path))
