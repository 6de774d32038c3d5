"""Flicker before a headband, and simulated people: what a decoder sees of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.benchmarks.quality.datasets import muse_ssvep, ssvep_simulated
from volition.errors import RecordingError


def test_the_headbands_trials_begin_where_their_marker_does(shared_data: Path) -> None:
    recordings = list(muse_ssvep.load(shared_data / "muse_erp"))
    assert len(recordings) == 6
    asked = [trial.freq_hz for one in recordings for trial in one.trials]
    assert set(asked) == {20.0, 30.0}
    assert len(asked) == 192
    for one in recordings:
        assert one.recording.spec.labels == ("TP9", "AF7", "AF8", "TP10")
        assert [event.time for event in one.recording.events] == [t.onset for t in one.trials]
        assert one.trials[-1].onset + one.trial_s <= one.recording.times[-1] + 1 / 256


def test_a_folder_without_such_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="visual-SSVEP"):
        list(muse_ssvep.load(tmp_path))


def test_simulated_people_are_others_each_and_have_rest_between_their_flickers() -> None:
    people = ssvep_simulated.load(Path())
    first, second = next(people), next(people)
    assert first.person != second.person
    for one in (first, second):
        asked = np.array([trial.freq_hz for trial in one.trials])
        assert np.unique(asked, return_counts=True)[1].tolist() == [8, 8, 8, 8]
        assert set(asked[:8]) != {0.0}
    assert not np.allclose(first.recording.samples[:256], second.recording.samples[:256])
