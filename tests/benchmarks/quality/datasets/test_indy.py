"""The reaching recordings, on files of their shape that are made here."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from volition.benchmarks.quality.datasets import indy
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.chunk import FloatArray
from volition.errors import RecordingError
from volition.service.sessions.config import parse_config

RATE_HZ = 250.0
N_BINS = 4000
N_CHANNELS, N_UNITS = 24, 3
START_S = 12.5


def write(path: Path, spikes: list[list[FloatArray]], **arrays: FloatArray) -> None:
    """Write as MATLAB does: arrays transposed, cells as references, an empty one by its shape."""
    with h5py.File(path, "w") as file:
        references = np.empty((len(spikes[0]), len(spikes)), dtype=h5py.ref_dtype)
        for channel, units in enumerate(spikes):
            for unit, times in enumerate(units):
                cell = file.create_dataset(
                    f"#refs#/c{channel}u{unit}",
                    data=times[None, :] if len(times) else np.zeros(2, np.uint64),
                )
                if not len(times):
                    cell.attrs["MATLAB_empty"] = 1
                references[unit, channel] = cell.ref
        file.create_dataset("spikes", data=references)
        for name, values in arrays.items():
            file.create_dataset(name, data=values.T)


def reaching(seed: int = 0) -> tuple[list[list[FloatArray]], dict[str, FloatArray]]:
    """Give a cursor that goes about, units tuned to its velocity, a target every half second."""
    random = np.random.default_rng(seed)
    times = START_S + np.arange(N_BINS) / RATE_HZ
    velocity = np.column_stack([np.sin(2 * np.pi * f * times + f) for f in (0.5, 0.37)])
    cursor = 40 * np.cumsum(velocity, axis=0) / RATE_HZ
    targets = np.repeat(random.uniform(-50, 50, (N_BINS // 125, 2)), 125, axis=0)
    axes = random.standard_normal((N_CHANNELS, 2))
    spikes: list[list[FloatArray]] = []
    for axis in axes:
        rates = np.maximum(0.0, 25 + 20 * velocity @ axis) / RATE_HZ
        spiked = np.flatnonzero(random.random(N_BINS) < rates)
        # In the 4 ms before the sample that it belongs to.
        at = times[spiked] - random.uniform(0.0005, 0.0035, len(spiked))
        unit = random.integers(N_UNITS - 1, size=len(at))
        spikes.append([*(at[unit == number] for number in range(N_UNITS - 1)), np.empty(0)])
    arrays = {"cursor_pos": cursor, "target_pos": targets, "t": times[:, None]}
    return spikes, arrays


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("indy") / "indy_20160622_01.mat"
    spikes, arrays = reaching()
    write(path, spikes, **arrays)
    return path


def test_a_channel_has_spiked_in_a_bin_or_not_whichever_of_its_units_it_was(made_up: Path) -> None:
    data = indy.load(made_up)
    spikes, arrays = reaching()
    assert data.features.shape == (N_BINS, N_CHANNELS)
    assert set(np.unique(data.features)) == {0.0, 1.0}
    for channel in (0, 7):
        expected = np.zeros(N_BINS)
        for unit in spikes[channel]:
            for time in unit:
                expected[int(np.ceil((time - START_S) * RATE_HZ - 1e-9))] = 1.0
        np.testing.assert_array_equal(data.features[:, channel], expected)
    cursor = arrays["cursor_pos"]
    np.testing.assert_allclose(data.velocities[5], (cursor[6] - cursor[4]) * RATE_HZ / 2)


def test_half_the_segments_are_for_learning_and_the_last_quarter_is_the_test(made_up: Path) -> None:
    data = indy.load(made_up.parent)
    assert data.name == "indy_20160622_01"
    assert data.trials is not None
    assert data.trials[-1] == 31
    assert data.train == slice(0, 16 * 125)
    assert data.tests == {
        "test": slice(24 * 125, N_BINS),
        "validation": slice(16 * 125, 24 * 125),
    }


def test_a_decoder_is_scored_by_the_protocol_and_smoothed_both_ways_scores_higher(
    made_up: Path,
) -> None:
    def score(bessel: dict[str, str] | None) -> float:
        config = parse_config(
            {
                "stream": {"type": "Features"},
                "decoder": {
                    "kind": "wiener",
                    "features": {"n_lags": 5},
                    "regression": {"kind": "linear", "ridge": 10},
                    "bessel": bessel,
                },
            }
        )
        result = evaluate("indy", made_up, config)
        assert result["validation"]["n_bins"] == 8 * 125
        return float(np.mean(result["r2"]))

    assert score({"variant": "low-latency"}) > score(None) + 0.05


def test_what_is_no_such_recording_is_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"one \.mat file"):
        indy.load(tmp_path)
    path = tmp_path / "some.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(RecordingError, match="not an HDF5 file"):
        indy.load(path)
    spikes, arrays = reaching()
    write(path, spikes, cursor_pos=arrays["cursor_pos"], t=arrays["t"])
    with pytest.raises(RecordingError, match="lacks target_pos"):
        indy.load(path)
    write(path, spikes, **{**arrays, "t": arrays["t"][:-1]})
    with pytest.raises(RecordingError, match="needs cursor and target"):
        indy.load(path)
    write(path, spikes, **{**arrays, "t": 2 * arrays["t"]})
    with pytest.raises(RecordingError, match=r"every 0\.008 s"):
        indy.load(path)
    write(path, spikes, **{**arrays, "target_pos": 0 * arrays["target_pos"]})
    with pytest.raises(RecordingError, match="1 segments"):
        indy.load(path)
