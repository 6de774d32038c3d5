"""Scoring a pipeline on a data set: made-up people whose answers are known, and the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import SessionConfig, load_config

RATE_HZ = 256
TRIAL_SAMPLES = 8 * RATE_HZ
LABELS = ["Oz", "O1", "O2"]
ASKED_HZ = [0, 0, 13, 17, 21, 13, 17, 21, 0]


def write(folder: Path, name: str, shown_hz: list[int], asked_hz: list[int]) -> None:
    """Write a recording whose signal follows ``shown_hz`` and whose labels say ``asked_hz``."""
    rng = np.random.default_rng(len(name) + sum(shown_hz))
    n = len(shown_hz) * TRIAL_SAMPLES
    microvolts = 5 * rng.standard_normal((len(LABELS), n)) + 120
    onsets = np.arange(len(shown_hz)) * TRIAL_SAMPLES + RATE_HZ
    times = np.arange(5 * RATE_HZ) / RATE_HZ
    for onset, freq_hz in zip(onsets, shown_hz, strict=True):
        if freq_hz:
            wave = np.sin(2 * np.pi * freq_hz * times) + 0.5 * np.sin(4 * np.pi * freq_hz * times)
            microvolts[:, onset : onset + len(times)] += 3 * wave
    np.savez(
        folder / f"{name}.npz",
        eeg=np.round(microvolts / 0.02).astype(np.int16),
        scale_uV=0.02,
        fs=float(RATE_HZ),
        ch_names=np.array(LABELS),
        onset=onsets.astype(np.int32),
        freq_hz=np.array(asked_hz, dtype=float),
        trial_s=5.0,
    )


def preset(**decoder: Any) -> SessionConfig:
    config = load_config("fbcca-exo").model_dump(mode="json")
    config["decoder"] |= decoder
    return SessionConfig.model_validate(config)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Give two people who looked where they were asked, and a third who looked elsewhere."""
    write(tmp_path, "S01_r1", ASKED_HZ, ASKED_HZ)
    write(tmp_path, "S02_r1", ASKED_HZ, ASKED_HZ)
    write(tmp_path, "S04_r1", [0, 0, 17, 17, 17, 17, 17, 17, 0], ASKED_HZ)
    return tmp_path


def test_what_is_reported_is_what_was_made(people: Path) -> None:
    result = evaluate("ssvep_exo", people, preset())
    accuracies = {name: one["accuracy"] for name, one in result["per_recording"].items()}
    assert accuracies == pytest.approx({"S01_r1": 1, "S02_r1": 1, "S04_r1": 1 / 3})
    assert result["mean_accuracy"] == pytest.approx(7 / 9)
    assert result["odd_people"] == 1.0
    assert result["even_people"] == pytest.approx(2 / 3)
    assert result["chance"] == pytest.approx(1 / 3)
    assert result["n_trials"] == 18
    assert result["clusters"] == {"of": "people", "n": 3}
    low, high = result["interval"]
    assert (low, high) == (pytest.approx(1 / 3), 1.0)  # of three people, any may be anybody
    assert result["worst"]["accuracy"] == {"who": "4", "value": pytest.approx(1 / 3)}
    assert result["by_person"]["2"]["accuracy"] == 1.0
    assert result["protocols"] == dict.fromkeys(("1", "2", "4"), "no training")
    assert result["decision_s"] == pytest.approx(4.0, abs=0.005)
    assert result["selected_share"] == 1.0
    assert result["selected_accuracy"] == pytest.approx(14 / 18)
    assert result["false_selections_per_min"] == 0.0
    assert result["rest_watched_s"] == pytest.approx(9 * 4.0, abs=0.05)  # the delay and the window
    assert result["rest_auc"] == 1.0
    assert result["protocol"] == "no training"
    assert result["labels"] == ["13 Hz", "17 Hz", "21 Hz", "idle"]
    assert result["confusion"] == [[4, 2, 0, 0], [0, 6, 0, 0], [0, 2, 4, 0], [0, 0, 0, 9]]


def test_the_accuracy_is_that_of_a_forced_choice_even_where_nothing_is_selected(
    people: Path,
) -> None:
    result = evaluate("ssvep_exo", people, preset(idle_ratio=1e6))
    assert result["mean_accuracy"] == pytest.approx(7 / 9)
    assert result["selected_share"] == 0.0
    assert result["selected_accuracy"] is None


def test_a_decoder_that_is_never_idle_selects_at_rest(people: Path) -> None:
    result = evaluate("ssvep_exo", people, preset(idle_ratio=0))
    assert result["false_selections_per_min"] == pytest.approx(15.0, rel=1e-3)


def test_a_sliding_decoder_is_scored_by_the_last_window_in_each_trial(people: Path) -> None:
    result = evaluate("ssvep_exo", people, preset(trigger="sliding", window_s=2.0, step_s=0.5))
    assert result["mean_accuracy"] == pytest.approx(7 / 9)
    assert result["false_selections_per_min"] < 5
    assert result["rest_watched_s"] == 9 * 3.0


def test_an_early_decision_ends_the_watch_at_rest_and_a_sweep_gives_the_curve(people: Path) -> None:
    stopping = {"rule": "margin", "threshold": 0.2, "min_s": 1.0, "step_s": 0.5}
    result = evaluate("ssvep_exo", people, preset(stopping=stopping, idle_ratio=0.9))
    assert result["mean_accuracy"] == pytest.approx(7 / 9)
    assert result["decision_s"] < 3.5  # a flicker is seen before the whole window of 3 s
    assert result["rest_watched_s"] <= 9 * 4.01
    assert "idle_curve" not in result
    whole = evaluate("ssvep_exo", people, preset(idle_ratio=1.2), idle_sweep=True)
    swept = whole["idle_curve"]
    assert swept["setting"] == "idle_ratio"
    # At the session's own threshold a sweep says what the session, scored alone, does.
    (same,) = (point for point in swept["points"] if point["threshold"] == 1.2)
    for figure in ("false_selections_per_min", "selected_share", "selected_accuracy"):
        assert same[figure] == whole[figure]
    false = [point["false_selections_per_min"] for point in swept["points"]]
    shares = [point["selected_share"] for point in swept["points"]]
    assert false == sorted(false, reverse=True)
    assert shares == sorted(shares, reverse=True)
    assert len(swept["points"]) == 9


def test_a_recording_without_rest_or_person_leaves_those_figures_out(tmp_path: Path) -> None:
    write(tmp_path, "someone", [13, 17, 21], [13, 17, 21])
    result = evaluate("ssvep_exo", tmp_path, preset())
    assert result["false_selections_per_min"] is None
    assert result["clusters"] == {"of": "recordings", "n": 1}
    assert result["interval"] is None
    assert (result["even_people"], result["odd_people"]) == (None, None)


def test_only_the_channels_of_the_session_are_used(people: Path) -> None:
    config = preset()
    stream = config.stream.model_copy(update={"channels": ["Cz"]})
    with pytest.raises(ConfigError, match="Cz"):
        evaluate("ssvep_exo", people, config.model_copy(update={"stream": stream}))


def test_a_folder_that_is_not_there_is_told_from_an_empty_one_and_a_wrong_one(
    tmp_path: Path,
) -> None:
    with pytest.raises(RecordingError, match=r"S01_r1.npz, .* found none"):
        evaluate("ssvep_exo", tmp_path / "nowhere", preset())
    with pytest.raises(RecordingError, match="found an empty one"):
        evaluate("ssvep_exo", tmp_path, preset())
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(RecordingError, match=r"found one with notes\.txt"):
        evaluate("ssvep_exo", tmp_path, preset())


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "S01_r1.npz", eeg=np.zeros((2, 3)))
    with pytest.raises(RecordingError, match=r"S01_r1\.npz"):
        evaluate("ssvep_exo", tmp_path, preset())


def test_an_unknown_data_set_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"allowed: .*ssvep_exo"):
        evaluate("gamma", tmp_path, preset())


def test_a_decoder_without_the_data_sets_targets_is_refused(people: Path) -> None:
    targets = [{"label": "a", "freq_hz": 13}, {"label": "b", "freq_hz": 17}]
    with pytest.raises(ConfigError, match="trials at 21 Hz, which no target flickers at"):
        evaluate("ssvep_exo", people, preset(targets=targets))


def test_the_preset_selects_what_twenty_two_real_recordings_looked_at(shared_data: Path) -> None:
    result = evaluate("ssvep_exo", shared_data / "ssvep_exo", load_config("fbcca-exo"))
    assert result["n_recordings"] == 22
    assert result["n_trials"] == 22 * 24
    # Its settings were chosen on people of even number; the odd ones are new to it.
    assert result["odd_people"] >= 0.88
    assert result["mean_accuracy"] >= 0.88
    assert result["selected_share"] >= 0.7
    assert result["selected_accuracy"] >= 0.95
    assert result["false_selections_per_min"] <= 1.5


def test_the_loader_reads_onsets_as_times_and_the_person_from_the_name(people: Path) -> None:
    first = next(iter(ssvep_exo.load(people, channels=["O2", "Oz"])))
    assert (first.name, first.person, first.trial_s) == ("S01_r1", 1, 5.0)
    assert first.recording.spec.labels == ("O2", "Oz")
    assert [trial.freq_hz for trial in first.trials] == ASKED_HZ
    assert [trial.onset for trial in first.trials[:2]] == [1.0, 9.0]
