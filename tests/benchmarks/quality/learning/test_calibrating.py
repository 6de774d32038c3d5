"""Judging calibrated decoders on their user's own other trials: which, and what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from volition.benchmarks.quality.datasets import jfpm12, ssvep_exo, ssvep_openbci
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.benchmarks.quality.evaluation.trials import labels_by_frequency, run_trials
from volition.benchmarks.quality.learning import calibrating, personal
from volition.benchmarks.quality.learning.cut_trials import CutTrials
from volition.decoders.fitting.fitted import FittedModel
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import SessionConfig, load_config

PERSON = ("S12_r1", "S12_r2", "S03_r1")


@pytest.fixture
def recordings(shared_data: Path, tmp_path: Path) -> Path:
    for name in PERSON:
        shutil.copy(shared_data / "ssvep_exo" / f"{name}.npz", tmp_path)
    return tmp_path


def test_a_recording_is_scored_by_the_same_persons_earlier_ones_and_a_first_by_its_first_turns(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    def counted(known: Sequence[CutTrials], *_: Any) -> FittedModel:
        used.append(sum(len(one.epochs) for one in known))
        return FittedModel("riemann", {}, {})

    monkeypatch.setattr(calibrating, "fitted", counted)
    config = load_config("riemann-exo")
    known = ssvep_exo.load(recordings)
    with calibrating.for_each(ssvep_exo.DATASET, known, config) as judged:
        scored = {found.one.name: found.one.trials for found in judged}
    all_trials = {one.name: one.trials for one in ssvep_exo.load(recordings)}
    assert list(scored) == ["S03_r1", "S12_r1", "S12_r2"]
    for name, n_used in zip(("S03_r1", "S12_r1"), used, strict=False):
        assert scored[name] == all_trials[name][n_used:]
        turns = [trial.freq_hz for trial in all_trials[name][:n_used] if trial.freq_hz]
        assert min(turns.count(freq_hz) for freq_hz in (13, 17, 21)) == 4
    assert used[2] == len(all_trials["S12_r1"])
    assert scored["S12_r2"] == all_trials["S12_r2"]


def test_real_people_are_read_by_their_own_calibration_judged_across_recordings_where_it_can_be(
    recordings: Path, shared_data: Path
) -> None:
    shutil.copy(shared_data / "ssvep_exo" / "S12_r3.npz", recordings)
    result = evaluate("ssvep_exo", recordings, load_config("riemann-exo"))
    assert result["refused"] == {}
    found = result["per_recording"]
    assert found["S12_r2"]["accuracy"] >= 0.9
    assert {name: one["left_out"] for name, one in found.items()} == {
        "S03_r1": None,
        "S12_r1": None,
        "S12_r2": "blocks",
        "S12_r3": "recordings",
    }
    assert "leaving each of these out" in result["protocol"]


def test_a_personal_calibration_starts_from_what_the_other_people_taught(
    recordings: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S03_r2", "S07_r1", "S07_r2"):
        shutil.copy(shared_data / "ssvep_exo" / f"{name}.npz", recordings)
    weights: dict[int | None, FittedModel] = {}

    def kept(*given: Any) -> dict[int | None, FittedModel]:
        weights.update(learned(*given))
        return weights

    learned = personal.without_each
    monkeypatch.setattr(personal, "without_each", kept)
    config = load_config("ssvep-personal")
    decoder = config.decoder.model_copy(update={"window_s": 3.0})
    config = config.model_copy(update={"decoder": decoder})
    known = ssvep_exo.load(recordings)
    with calibrating.for_each(ssvep_exo.DATASET, known, config) as judged:
        first = next(judged)
        assert first.session is not None
        outcomes = run_trials(first.one, first.session, labels_by_frequency(config))
    assert {person: one.facts["people"] for person, one in weights.items()} == {
        3: ["7", "12"],
        7: ["3", "12"],
        12: ["3", "7"],
    }
    assert (first.one.name, len(outcomes)) == ("S03_r1", 12)
    assert sum(one.best == one.wanted for one in outcomes) >= 11
    assert "from the other people alone" in first.protocol
    for name in ("S07_r1", "S07_r2"):
        (recordings / f"{name}.npz").unlink()
    with pytest.raises(ConfigError, match="at least three"):
        learned(ssvep_exo.DATASET, list(ssvep_exo.load(recordings)), config)


def test_templates_are_refused_where_the_flicker_begins_in_any_phase(recordings: Path) -> None:
    result = evaluate("ssvep_exo", recordings, load_config("etrca-exo"))
    assert sorted(result["refused"]) == ["S03_r1", "S12_r1", "S12_r2"]
    assert all("not above chance" in reason for reason in result["refused"].values())
    assert (result["mean_accuracy"], result["n_trials"]) == (None, 0)


def nakanishi(root: Path) -> None:
    """Write a file of 12JFPM's shape: four blocks of a response whose phase is locked."""
    rng = np.random.default_rng(0)
    data = 6 * rng.standard_normal((12, 8, 1114, 4))
    times = (np.arange(1114) - 38) / 256
    for target, freq_hz in enumerate(jfpm12.freqs_hz()):
        wave = np.where(times > 0, np.sin(2 * np.pi * freq_hz * times + target), 0.0)
        data[target] += np.linspace(0.5, 2, 8)[:, None, None] * wave[:, None]
    savemat(root / "s2.mat", {"eeg": data})


def twelve(**decoder: Any) -> SessionConfig:
    config = load_config("tdca-exo").model_dump(mode="json")
    targets = [{"label": f"{freq:g}", "freq_hz": freq} for freq in jfpm12.freqs_hz()]
    config["decoder"] |= {"targets": targets, "delay_s": 0.135, "window_s": 0.5} | decoder
    config["stages"] = []
    return SessionConfig.model_validate(config)


def test_each_block_of_nakanishis_data_is_scored_by_the_others(tmp_path: Path) -> None:
    nakanishi(tmp_path)
    first, *_ = jfpm12.load(tmp_path)
    assert (first.name, first.person, first.trial_s) == ("S2_block1", 2, 4.0)
    assert [trial.freq_hz for trial in first.trials[:4]] == [9.25, 11.25, 13.25, 9.75]
    assert first.trials[1].onset == (1114 + 38) / 256
    result = evaluate("jfpm12", tmp_path, twelve(n_subbands=2))
    assert result["n_recordings"] == 4
    assert result["mean_accuracy"] > 0.7  # of twelve
    assert "each block left out" in result["protocol"]
    assert result["mean_itr_bits_per_min"] > 60


def network_of_twelve() -> SessionConfig:
    plain = twelve(window_s=0.5).model_dump(mode="json")
    kept = ("targets", "window_s", "delay_s", "onset_markers", "trigger")
    decoder = {"kind": "dnn", **{name: plain["decoder"][name] for name in kept}}
    return SessionConfig.model_validate({**plain, "decoder": decoder})


def test_a_network_is_trained_on_blocks_and_where_that_cannot_be_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nakanishi(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)  # as where the extra is not installed
    for name in ("ssvep_dnn", "ssvep_dnn_calibration"):
        monkeypatch.delitem(sys.modules, f"volition.models.training.{name}", raising=False)
    with pytest.raises(ConfigError, match="install the extra train"):
        evaluate("jfpm12", tmp_path, network_of_twelve())
    with pytest.raises(ConfigError, match="made of blocks: benchmark, beta, jfpm12; found ssvep"):
        evaluate("ssvep_exo", tmp_path, load_config("dnn-40"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what torch says of itself
def test_each_block_is_scored_by_a_network_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnxscript", reason="needs the extra train")
    from volition.models.training import ssvep_dnn, ssvep_dnn_calibration

    monkeypatch.setattr(ssvep_dnn_calibration, "USUAL_FIRST", ssvep_dnn.TrainingStage(50, 3, 0.1))
    monkeypatch.setattr(ssvep_dnn_calibration, "USUAL", ssvep_dnn.TrainingStage(20, 3, 0.1))
    nakanishi(tmp_path)
    result = evaluate("jfpm12", tmp_path, network_of_twelve())
    assert result["n_recordings"] == 4
    assert result["n_trials"] == 48
    assert result["mean_accuracy"] > 0.3  # of twelve
    assert "two stages" in result["protocol"]


def test_stretches_of_the_hobby_amplifier_are_cut_into_trials(shared_data: Path) -> None:
    root = shared_data / "ssvep_openbci"
    found = {one.name: one for one in ssvep_openbci.load(root)}
    one = found["S03_a"]
    assert (one.person, one.trial_s, len(one.trials)) == (3, 4.0, 25)
    assert [trial.onset for trial in one.trials[4:6]] == [17.0, 22.0]
    assert [trial.freq_hz for trial in one.trials[4:6]] == [7.5, 60 / 7]
    result = evaluate("ssvep_openbci", root, load_config("fbcca-openbci"))
    assert result["per_recording"]["S03_a"]["accuracy"] > 0.6
    with pytest.raises(ConfigError, match="cannot be calibrated there"):
        evaluate("ssvep_openbci", root, twelve(model=None))


def test_other_files_are_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="jfpm12 is a folder"):
        list(jfpm12.load(tmp_path))
    with pytest.raises(RecordingError, match="ssvep_openbci is a folder"):
        list(ssvep_openbci.load(tmp_path))
    savemat(tmp_path / "s1.mat", {"eeg": np.zeros((12, 9, 10, 2))})
    with pytest.raises(RecordingError, match=r"\(12, 8, any, any\); found \(12, 9, 10, 2\)"):
        list(jfpm12.load(tmp_path))
    np.savez(tmp_path / "S01_a.npz", eeg=np.zeros((2, 4)), fs=200.0, freq_hz=[1.0], ch_names=["a"])
    with pytest.raises(RecordingError, match="array of shape"):
        list(ssvep_openbci.load(tmp_path))
