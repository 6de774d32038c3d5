"""EEGdenoiseNet's files and protocol, on made-up files of their names and shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.benchmarks.quality.datasets import eegdenoisenet
from volition.errors import RecordingError


def write(root: Path, n_eeg: int, n_emg: int, n_eog: int) -> None:
    rng = np.random.default_rng(0)
    for name, n, n_samples in (
        ("EEG_all_epochs", n_eeg, 512),
        ("EOG_all_epochs", n_eog, 512),
        ("EEG_all_epochs_512hz", n_eeg, 1024),
        ("EMG_all_epochs_512hz", n_emg, 1024),
    ):
        np.save(root / f"{name}.npy", rng.standard_normal((n, n_samples)).astype(np.float32))


def test_clean_segments_come_twice_against_muscle_and_are_left_out_against_eyes(
    tmp_path: Path,
) -> None:
    write(tmp_path, n_eeg=40, n_emg=50, n_eog=30)
    emg = eegdenoisenet.load(tmp_path, "emg")
    assert [len(part.eeg) for part in (emg.training, emg.choosing, emg.testing)] == [40, 5, 5]
    assert emg.testing.eeg.shape == (5, 1024)
    assert emg.rate_hz == 512.0
    every = np.concatenate([part.eeg for part in (emg.training, emg.choosing, emg.testing)])
    assert len(np.unique(every[:, 0])) == 40
    eog = eegdenoisenet.load(tmp_path, "eog")
    assert [len(part.eeg) for part in (eog.training, eog.choosing, eog.testing)] == [24, 3, 3]


def test_pairs_have_the_protocols_ratio_and_the_mixed_side_a_deviation_of_one(
    tmp_path: Path,
) -> None:
    write(tmp_path, n_eeg=20, n_emg=20, n_eog=20)
    testing = eegdenoisenet.load(tmp_path, "eog").testing
    levels = list(testing.levels())
    assert [snr_db for snr_db, _, _ in levels] == list(range(-7, 3))
    for snr_db, noisy, clean in levels:
        np.testing.assert_allclose(noisy.std(axis=1), 1.0)
        ratio = np.sqrt(np.square(clean).mean(axis=1) / np.square(noisy - clean).mean(axis=1))
        np.testing.assert_allclose(10 * np.log10(ratio), snr_db)


def test_files_may_be_resampled_for_networks_of_another_rate(tmp_path: Path) -> None:
    write(tmp_path, n_eeg=20, n_emg=20, n_eog=20)
    split = eegdenoisenet.load(tmp_path, "emg", rate_hz=256.0)
    assert split.testing.eeg.shape[1] == 512
    assert split.rate_hz == 256.0


def test_what_is_not_the_benchmark_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"EEG_all_epochs\.npy"):
        eegdenoisenet.load(tmp_path, "eog")
    write(tmp_path, n_eeg=10, n_emg=30, n_eog=10)
    with pytest.raises(RecordingError, match="too few"):
        eegdenoisenet.load(tmp_path, "emg")
    np.save(tmp_path / "EOG_all_epochs.npy", np.zeros((10, 100)))
    with pytest.raises(RecordingError, match=r"512 samples; found \(10, 100\)"):
        eegdenoisenet.load(tmp_path, "eog")
