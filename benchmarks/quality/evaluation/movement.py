"""Score a session's decoder on a recorded movement: fitted on one part, run live on another.

The session's decoder is fitted on the part that the data set's protocol gives for learning, after
the session's stages, and saved as a model. The test parts then run through an `Engine` with that
model: chunk by chunk, the path that live samples take, each part from a fresh start. Where a trial
begins the engine is sent the marker ``trial_start``; a decoder with that name among its
``reset_markers`` starts its state anew.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.movement import MovementDataset, MovementRecording
from volition.benchmarks.quality.evaluation.clustered import Clusters, interval, ratio_interval
from volition.chunk import FloatArray
from volition.decoders import registry
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.kinematics.methods.recurrent import RecurrentSettings
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import run_offline

#: Bins in a chunk; the score does not hang on it.
CHUNK_BINS = 7
#: Neighbouring bins are much alike: what is drawn anew for an interval is blocks of this length.
BLOCK_S = 10.0


def evaluate_movement(
    dataset: MovementDataset, root: Path, config: SessionConfig
) -> dict[str, Any]:
    """Fit ``config`` on a data set's part for learning, and score it on the others.

    Parameters
    ----------
    dataset
        The movement.
    root
        Folder that holds it.
    config
        The pipeline; its decoder must be of the kinematic kind.

    Returns
    -------
    dict
        ``nrmse``, ``maae_rad``, ``r2`` and ``correlation`` (a value a dimension) of the velocity,
        ``n_bins`` and ``idle_bins`` of the test, the same under ``second_test`` or ``validation``
        where the data set has one; ``intervals`` of the first four, 95 %, by blocks of `BLOCK_S` of
        the one recording drawn anew (``clusters``), which say how sure the figure is for this
        person and nothing of others; ``model`` (version), ``chosen`` (what the fit chose),
        ``fit_s`` and ``step_ms`` (mean time of a bin, all of the pipeline). A recurrent network is
        not fitted but scored as it is, and the last but ``step_ms`` are not there.

    Raises
    ------
    ConfigError
        The session's decoder is none that moves a cursor.
    RecordingError
        The folder does not hold the data set.
    """
    data = dataset.load(root)
    if isinstance(config.decoder, RecurrentSettings):
        return _score_network(dataset.name, data, config)
    start = time.perf_counter()
    model = fit(config, data)
    fit_s = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        path = model.save(Path(folder) / "model")
        settings = config.decoder.model_copy(update={"model": str(path)})
        fitted = config.model_copy(update={"decoder": settings})
        scores = {name: _score(data, bins, fitted) for name, bins in data.tests.items()}
    test = scores.pop("test")
    return {
        "dataset": dataset.name,
        "decoder": config.decoder.kind,
        **test,
        **scores,
        "model": model.version,
        "chosen": _chosen(model),
        "fit_s": round(fit_s, 2),
    }


def _score_network(dataset: str, data: MovementRecording, config: SessionConfig) -> dict[str, Any]:
    """Score a network as it is: it was trained before, and on what its manifest says."""
    scores = {name: _score(data, bins, config) for name, bins in data.tests.items()}
    return {"dataset": dataset, "decoder": config.decoder.kind, **scores.pop("test"), **scores}


def fit(config: SessionConfig, data: MovementRecording) -> FittedModel:
    """Fit the session's decoder on the part for learning, as the session's stages leave it.

    Raises
    ------
    ConfigError
        The session's decoder is none that moves a cursor, or its stages change the bins' number.
    """
    kind = config.decoder.kind
    cls = registry.decoders_by_kind()[kind]
    if not issubclass(cls, KinematicDecoder):
        raise ConfigError(
            f"{data.name} holds movements, and decoder {kind!r} decodes none", found=kind
        )
    recording = data.recording(data.train)
    cleaner = config.build_cleaner(recording.spec)
    features = cleaner.whole(recording.samples, recording.times).samples
    if len(features) != len(recording):
        raise ConfigError(
            f"{data.name} is scored bin by bin, and the stages made {len(features)} bins of "
            f"{len(recording)}"
        )
    whole = np.isfinite(features).all(axis=1)
    train = data.train
    return cls.fit(
        config.decoder,
        features[whole],
        data.velocities[train][whole],
        positions=None if data.positions is None else data.positions[train][whole],
        trials=None if data.trials is None else data.trials[train][whole],
    )


def _score(data: MovementRecording, bins: slice, config: SessionConfig) -> dict[str, Any]:
    """Run a part through the engine and put each bin's velocity beside the true one."""
    recording = data.recording(bins)
    true = data.velocities[bins]
    decoded: FloatArray = np.zeros_like(true)
    idle = np.ones(len(true), dtype=np.bool_)
    start = time.perf_counter()
    intents = list(run_offline(config, recording.spec, recording.chunks(CHUNK_BINS)))
    step_ms = 1e3 * (time.perf_counter() - start) / len(true)
    for intent in intents:
        if isinstance(intent, CursorIntent):
            index = int(np.searchsorted(recording.times, intent.t_sample))
            decoded[index], idle[index] = intent.velocity, False
    clusters = _blocks(len(true), data.bin_s)
    return {
        "intervals": _intervals(clusters, true, decoded),
        "clusters": clusters.facts(),
        "nrmse": metrics.nrmse(true, decoded),
        "maae_rad": metrics.angular_error_rad(true, decoded),
        "r2": metrics.r2(true, decoded),
        "correlation": metrics.correlation(true, decoded),
        "n_bins": len(true),
        "idle_bins": int(idle.sum()),
        "step_ms": round(step_ms, 4),
    }


def _blocks(n_bins: int, bin_s: float) -> Clusters:
    """Give the blocks of consecutive bins; a short rest at the end is the last one's."""
    n_blocks = max(1, int(n_bins * bin_s / BLOCK_S))
    places = np.minimum(np.arange(n_bins) * n_blocks // n_bins, n_blocks - 1)
    names = [str(place) for place in places.tolist()]
    return Clusters.by_name(f"blocks of {BLOCK_S:g} s of one recording", names)


def _intervals(clusters: Clusters, true: FloatArray, decoded: FloatArray) -> dict[str, Any]:
    """Give the intervals of what `_score` says of a velocity; see `metrics` for the figures."""
    n_dimensions = true.shape[1]
    sums = [
        clusters.sums(one)
        for one in (np.ones_like(true), true, decoded, true**2, decoded**2, true * decoded)
    ]

    def moments(counts: FloatArray, one: int) -> tuple[FloatArray, ...]:
        return tuple(counts @ each[:, one] for each in sums)

    def r2(counts: FloatArray, one: int) -> FloatArray:
        n, t, _, tt, dd, td = moments(counts, one)
        result: FloatArray = 1.0 - (tt - 2 * td + dd) / (tt - t**2 / n)
        return result

    def correlation(counts: FloatArray, one: int) -> FloatArray:
        n, t, d, tt, dd, td = moments(counts, one)
        with np.errstate(invalid="ignore", divide="ignore"):
            result: FloatArray = (td - t * d / n) / np.sqrt((tt - t**2 / n) * (dd - d**2 / n))
        return result

    def nrmse(counts: FloatArray) -> FloatArray:
        _, _, _, tt, dd, td = (counts @ each.sum(axis=1) for each in sums)
        result: FloatArray = np.sqrt((tt - 2 * td + dd) / tt)
        return result

    dimensions = range(n_dimensions)
    found = {
        "nrmse": interval(clusters, nrmse),
        "r2": [interval(clusters, functools.partial(r2, one=one)) for one in dimensions],
        "correlation": [
            interval(clusters, functools.partial(correlation, one=one)) for one in dimensions
        ],
    }
    if n_dimensions != 2:  # directions are of a plane
        return found
    angles = metrics.angular_errors_rad(true, decoded)
    return {**found, "maae_rad": ratio_interval(clusters, angles, np.ones(len(angles)))}


def _chosen(model: FittedModel) -> dict[str, float]:
    """Give the single numbers that the fit arrived at."""
    return {
        name: float(array)
        for name, array in sorted(model.arrays.items())
        if array.ndim == 0 and name not in ("has_position", "feature_given")
    }
