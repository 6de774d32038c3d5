"""The score of artifact removal: its arithmetic, and the bars that real recordings set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from volition.benchmarks.quality.contract.denoising import scale_to, topographies
from volition.benchmarks.quality.datasets import denoise_mix
from volition.benchmarks.quality.evaluation import denoising
from volition.benchmarks.quality.evaluation.denoising import ratios, score_held_out, score_recording
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.benchmarks.speed.stages import measure
from volition.chunk import SignalSpec
from volition.decoders.stages.wiener import WienerFilterSettings
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import build_decoder, load_config, preset_names

METHODS = ("asr", "rasr", "eog-regression", "rls", "mwf", "faster")


def test_ratios_are_energies_kept_and_removed_in_decibels() -> None:
    before = np.ones((100, 2))
    mask = np.arange(100) >= 50
    after = before.copy()
    after[mask] = 0.1
    after[~mask] = 0.9
    found = ratios(before, after, mask)
    assert found["kept_db"] == pytest.approx(20.0)
    assert found["removed_db"] == pytest.approx(20 * np.log10(9))
    assert found["kept_share"] == 1.0


def test_the_ratio_of_amplitudes_counts_ten_to_the_decade() -> None:
    rng = np.random.default_rng(0)
    signal, artifact = rng.standard_normal(512), 7 * rng.standard_normal(512)
    for snr_db in (-7.0, 0.0, 2.0):
        mixed = scale_to(signal, artifact, snr_db) * artifact
        ratio = np.sqrt(np.square(signal).mean() / np.square(mixed).mean())
        assert 10 * np.log10(ratio) == pytest.approx(snr_db)


def test_blinks_are_largest_at_the_forehead_and_muscle_at_the_temples() -> None:
    labels = ("Fp1", "Fp2", "T7", "T8", "Cz", "O1")
    eyes = topographies(labels, "eog")
    assert eyes.shape == (1, 6)
    assert eyes[0, :2].min() > 2 * eyes[0, 2:].max()
    muscle = topographies(labels, "emg")
    assert labels[int(muscle[0].argmax())] == "T7"


def test_people_for_testing_are_no_others(shared_data: Path) -> None:
    segments = denoise_mix.load_segments(shared_data / "denoise_mix")
    train, test = segments.part(test=False), segments.part(test=True)
    for name in ("eeg_person", "eog_person", "emg_source"):
        ours, theirs = (set(getattr(part, name).tolist()) for part in (train, test))
        assert ours
        assert theirs
        assert not ours & theirs


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"segments\.npz.*found nothing"):
        evaluate("denoise_mix", tmp_path, load_config("mwf"))


def test_a_session_without_stages_has_nothing_to_score(tmp_path: Path) -> None:
    config = load_config("mwf").model_copy(update={"stages": []})
    with pytest.raises(ConfigError, match="none"):
        evaluate("denoise_mix", tmp_path, config)


def test_each_method_has_a_preset_of_its_name() -> None:
    assert set(METHODS) <= set(preset_names())
    for name in METHODS:
        config = load_config(name)
        config.build_cleaner(SignalSpec(256.0, ("Fp1", "Fp2", "Oz", "O1", "O2", "POz")))
        build_decoder(config.decoder)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "artifact"), [("eog-regression", "eog"), ("rasr", "emg")])
def test_a_method_beats_what_is_untouched_and_leaves_clean_data_alone(
    preset: str, artifact: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoising, "SNR_DB", (-7.0, 2.0))
    monkeypatch.setattr(denoising, "N_PAIRS", 5)
    monkeypatch.setattr(denoising, "ARTIFACTS", (artifact,))
    monkeypatch.setattr(denoising, "score_recordings", lambda *_: {})
    people = denoise_mix.load_continuous(shared_data / "denoise_mix")[:2]
    dataset = dataclasses.replace(denoise_mix.DATASET, load_continuous=lambda _: people)
    root = shared_data / "denoise_mix"
    result = denoising.evaluate_denoising(dataset, root, load_config(preset))
    rows = {
        (row["artifact"], row["snr_db"], row["method"]): row
        for row in result["rows"]
        if row["part"] == "scalp" and row["people"] == "all"
    }
    told = {row["people"] for row in result["rows"] if row["part"] == "scalp"}
    assert told == {"all", "taught", "others"}  # of six, four are for training
    for snr_db in (-7.0, 2.0):
        ours, untouched = (rows[artifact, snr_db, name] for name in ("session", "untouched"))
        assert ours["rrmse_time"] < 0.7 * untouched["rrmse_time"]
        assert ours["rrmse_spectrum"] < untouched["rrmse_spectrum"] + 0.05
        assert ours["cc"] > untouched["cc"] + 0.05
    assert result["clean_error"] <= 0.05
    assert result["cc_part"] == "scalp"
    if artifact == "emg":  # what these two figures are of
        assert result["cc_2db"] == result["scalp"]["cc_2db"] == rows["emg", 2.0, "session"]["cc"]
        assert 0 < result["segments"]["cc_m7db"] < result["segments"]["cc_2db"] < 1


def test_the_wiener_filter_keeps_and_removes_what_it_should(shared_data: Path) -> None:
    recording = denoise_mix.load_blink19(shared_data / "denoise_mix")
    always = score_recording(recording, [WienerFilterSettings(open_at=0)])
    assert always["kept_db"] >= 7.0
    assert always["removed_db"] >= 8.7
    # The bars of the data's reference: an instantaneous filter, fitted on what it is scored on.
    instant = score_recording(recording, [WienerFilterSettings(open_at=0, taps=1, shrinkage=0)])
    assert (instant["kept_db"], instant["removed_db"]) == pytest.approx((7.0, 8.7), abs=0.05)
    # Fitted on one half and scored on the other: what shrinkage is for.
    halves = score_held_out(recording, [WienerFilterSettings(open_at=0)])
    plain = score_held_out(recording, [WienerFilterSettings(open_at=0, shrinkage=0)])
    assert halves is not None
    assert plain is not None
    assert len(halves) == len(plain) == 2
    for half, without in zip(halves, plain, strict=True):
        assert half["kept_db"] > max(5.0, without["kept_db"] + 1)
        assert half["removed_db"] > max(5.0, without["removed_db"] - 0.2)
    shipped = score_recording(recording, load_config("mwf").stages)
    assert shipped["kept_db"] >= 12.0
    assert shipped["removed_db"] >= 8.7


@pytest.mark.slow
def test_asr_removes_no_less_than_its_peer_where_both_keep_as_much(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("meegkit.asr", reason="needs the extra bench")
    recording = denoise_mix.load_blink19(shared_data / "denoise_mix")
    # Between these two cutoffs the peer keeps as much as either of ours.
    monkeypatch.setattr(denoising, "MEEGKIT_CUTOFFS", (10.0, 20.0))
    asr = score_recording(recording, load_config("asr").stages)
    # Both presets put the same filters before, and so the peer meets the same signal.
    monkeypatch.setattr(denoising, "meegkit_rows", lambda *_: asr["meegkit"]["rows"])
    rasr = score_recording(recording, load_config("rasr").stages)
    for found in (asr, rasr):
        peer = found["meegkit"]["removed_db_at_our_kept_db"]
        assert peer is not None
        assert found["removed_db"] >= peer - 1.0


@pytest.mark.slow
def test_every_stage_is_timed_on_both_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("volition.benchmarks.speed.stages.SIGNALS", ((8, 250.0),))
    monkeypatch.setattr("volition.benchmarks.speed.stages.meegkit_share", lambda *_: None)
    rows = measure(seconds=1.0)["rows"]
    assert {row["stage"] for row in rows} >= {"asr", "rasr", "rls", "mwf", "faster"}
    assert all(0 < row["share"] < 1 for row in rows)


def test_the_networks_clean_segments_of_other_people_and_leave_clean_ones_alone(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoising, "SNR_DB", (-7.0, 2.0))
    monkeypatch.setattr(denoising, "N_PAIRS", 40)
    monkeypatch.setattr(denoising, "ARTIFACTS", ("emg",))
    testing = denoise_mix.load_segments(shared_data / "denoise_mix").part(test=True)
    rows = denoising.score_segments(testing, load_config("atat").stages, seed=0)
    found = {row["snr_db"]: row for row in rows if row["method"] == "session"}
    untouched = {row["snr_db"]: row["cc"] for row in rows if row["method"] == "untouched"}
    assert found[2.0]["cc"] >= 0.93 > untouched[2.0]
    assert found[-7.0]["cc"] >= 0.65 > untouched[-7.0]
    assert found[None]["rrmse_time"] <= 0.05
