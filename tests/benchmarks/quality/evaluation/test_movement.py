from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.benchmarks.quality.datasets import flint_run1, m1_reach
from volition.benchmarks.quality.evaluation import movement
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.benchmarks.quality.making.package_models import package
from volition.decoders.fitting.fitted import load_model
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import SessionConfig, load_config, parse_config


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the layout of flint_run1: features that are the velocity, mixed, with noise."""
    folder = tmp_path_factory.mktemp("made-up")
    random = np.random.default_rng(0)
    velocities = np.zeros((6500, 2))
    for t in range(1, len(velocities)):
        velocities[t] = 0.9 * velocities[t - 1] + 0.1 * random.standard_normal(2)
    features = velocities @ random.standard_normal((2, 10))
    features += 0.3 * random.standard_normal(features.shape)
    np.savetxt(folder / "x.csv", features, delimiter=",")
    np.savetxt(folder / "z.csv", velocities, delimiter=",")
    return folder


def session(decoder: dict[str, Any], stages: list[dict[str, Any]] | None = None) -> SessionConfig:
    return parse_config({"stream": {"type": "x"}, "stages": stages or [], "decoder": decoder})


def test_an_evaluation_scores_both_tests_and_every_bin(made_up: Path) -> None:
    result = evaluate("flint_run1", made_up, session({"kind": "kalman"}))
    assert result["n_bins"] == 1000
    assert result["second_test"]["n_bins"] == 500
    assert result["idle_bins"] == result["second_test"]["idle_bins"] == 0
    for scores in (result, result["second_test"]):
        assert scores["nrmse"] < 0.6
        assert min(scores["r2"]) > 0.6
        assert min(scores["correlation"]) > 0.8
        assert scores["maae_rad"] < 0.6


def test_the_score_is_that_of_the_filter_run_by_hand(made_up: Path) -> None:
    result = evaluate("flint_run1", made_up, session({"kind": "kalman"}))
    data = flint_run1.load(made_up)
    x, z = data.features[:5000], data.velocities[:5000]
    x_mean, z_mean = x.mean(axis=0), z.mean(axis=0)
    x, z = x - x_mean, z - z_mean
    A = np.linalg.lstsq(z[:-1], z[1:], rcond=None)[0].T
    W = (z[1:] - z[:-1] @ A.T).T @ (z[1:] - z[:-1] @ A.T) / 4999
    C = np.linalg.lstsq(z, x, rcond=None)[0].T
    R = (x - z @ C.T).T @ (x - z @ C.T) / 5000
    mean, P, decoded = np.zeros(2), z.T @ z / 5000, []
    for t, features in enumerate(data.features[5000:6000] - x_mean):
        if t:
            mean, P = A @ mean, A @ P @ A.T + W
        K = P @ C.T @ np.linalg.inv(C @ P @ C.T + R)
        mean, P = mean + K @ (features - C @ mean), P - K @ C @ P
        decoded.append(mean + z_mean)
    true = data.velocities[5000:6000]
    by_hand = np.linalg.norm(np.array(decoded) - true) / np.linalg.norm(true)
    assert result["nrmse"] == pytest.approx(by_hand, abs=1e-6)


def test_what_lies_in_the_tests_changes_no_model(made_up: Path, tmp_path: Path) -> None:
    for name in ("x.csv", "z.csv"):
        values = np.loadtxt(made_up / name, delimiter=",")
        values[5000:] = 7.0
        np.savetxt(tmp_path / name, values, delimiter=",")
    config = session({"kind": "dkf", "regression": {"kind": "linear"}})
    ours, theirs = (movement.fit(config, flint_run1.load(folder)) for folder in (made_up, tmp_path))
    assert ours.version == theirs.version


def test_the_sessions_stages_run_before_the_fit_and_before_the_test(made_up: Path) -> None:
    plain = evaluate("flint_run1", made_up, session({"kind": "kalman"}))
    smooth = [{"kind": "lowpass", "cutoff_hz": 1.0, "order": 1}]
    other = evaluate("flint_run1", made_up, session({"kind": "kalman"}, smooth))
    assert other["model"] != plain["model"]
    assert other["nrmse"] < 0.9


def test_trials_start_anew_where_the_decoder_is_told_of_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n_trials, length = 120, 20
    speed = np.sin(np.linspace(0, np.pi, length))
    directions = random.uniform(0, 2 * np.pi, n_trials)
    units = np.column_stack([np.cos(directions), np.sin(directions)])
    velocities = (speed[None, :, None] * units[:, None]).reshape(-1, 2)
    positions = np.concatenate(
        [np.cumsum(one, axis=0) for one in velocities.reshape(n_trials, length, 2)]
    )
    rates = np.exp(velocities @ random.standard_normal((2, 12)) + 0.5)
    np.savez(
        tmp_path / "some.npz",
        counts=random.poisson(rates).astype(np.uint8),
        kin=np.hstack([positions, velocities]).astype(np.float32),
        trial=np.repeat(np.arange(n_trials), length),
        bin_s=0.05,
    )
    data = m1_reach.load(tmp_path)
    assert data.tests == {"test": slice(1920, 2400)}
    recording = data.recording(data.tests["test"])
    assert [event.name for event in recording.events] == ["trial_start"] * 24
    decoder = {"kind": "kalman", "state": "position-velocity"}
    told, untold = (
        evaluate("m1_reach", tmp_path, session({**decoder, "reset_markers": markers}))
        for markers in (["trial_start"], [])
    )
    assert told["nrmse"] < untold["nrmse"]
    assert min(told["r2"]) > 0.5


def test_a_decoder_that_moves_nothing_is_refused(made_up: Path) -> None:
    with pytest.raises(ConfigError, match="fbcca"):
        evaluate("flint_run1", made_up, load_config("fbcca-exo"))


def test_a_folder_without_the_data_set_is_refused_with_what_it_should_hold(
    tmp_path: Path,
) -> None:
    config = session({"kind": "kalman"})
    with pytest.raises(RecordingError, match=r"x\.csv"):
        evaluate("flint_run1", tmp_path, config)
    with pytest.raises(RecordingError, match=r"one \.npz"):
        evaluate("m1_reach", tmp_path, config)
    (tmp_path / "x.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(RecordingError, match="10 columns"):
        evaluate("flint_run1", tmp_path, config)
    with pytest.raises(ConfigError, match=r"flint_run1, .*m1_reach"):
        evaluate("no-such", tmp_path, config)


# --- On the recordings -----------------------------------------------------------------------


def on(shared_data: Path, dataset: str, preset: str) -> dict[str, Any]:
    return evaluate(dataset, shared_data / dataset, load_config(preset))


def test_the_kalman_filter_scores_what_was_published(shared_data: Path) -> None:
    result = on(shared_data, "flint_run1", "kalman-velocity")
    assert result["nrmse"] == pytest.approx(0.765, abs=0.01)
    assert result["maae_rad"] == pytest.approx(0.888, abs=0.02)
    assert result["chosen"]["feature_delay"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "most"), [("dkf-nw", 0.62), ("dkf-gp", 0.59)])
def test_the_discriminative_filters_score_what_was_published(
    shared_data: Path, preset: str, most: float
) -> None:
    result = on(shared_data, "flint_run1", preset)
    assert result["nrmse"] <= most
    assert result["maae_rad"] <= 0.77


@pytest.mark.slow
def test_the_default_for_movement_scores_better_than_anything_published(shared_data: Path) -> None:
    result = on(shared_data, "flint_run1", "kinematics-best")
    assert result["nrmse"] <= 0.48
    assert result["maae_rad"] <= 0.72
    assert result["second_test"]["nrmse"] == pytest.approx(result["nrmse"], abs=0.03)


def test_the_recurrent_network_that_ships_scores_what_its_card_says(shared_data: Path) -> None:
    result = on(shared_data, "flint_run1", "recurrent")
    assert result["nrmse"] == pytest.approx(0.554, abs=0.005)
    assert result["maae_rad"] == pytest.approx(0.748, abs=0.005)
    assert result["second_test"]["nrmse"] == pytest.approx(0.559, abs=0.005)


def test_on_reaches_in_trials_the_kalman_filter_scores_what_it_did_elsewhere(
    shared_data: Path,
) -> None:
    result = on(shared_data, "m1_reach", "kalman-velocity")
    assert result["r2"][0] >= 0.60
    assert result["r2"][1] >= 0.50


def test_the_packaged_models_are_those_that_the_recording_gives(
    shared_data: Path, tmp_path: Path
) -> None:
    for path in package(shared_data / "flint_run1", tmp_path):
        shipped, made = load_model(path.stem), load_model(path)
        assert shipped.facts["n_bins"] == made.facts["n_bins"] == 5000
        for name, array in shipped.arrays.items():
            np.testing.assert_allclose(array, made.arrays[name], rtol=1e-6, atol=1e-9)
