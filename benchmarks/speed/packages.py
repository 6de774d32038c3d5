"""Packages that do what a stage or decoder of ours does, driven as their documentation says.

They are timed in turns with ours on the same data (`volition.benchmarks.speed.costs`), each with as
little around it as it allows: windows are cut and filtered for it before the clock starts, while
ours cuts and filters for itself. None is needed to run Volition: they come with the extra
``bench``, and what is not installed is said to be missing. Where no package of a free licence does
the same, that is said too.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from volition.benchmarks.speed.stages import (
    PEER_CUTOFF,
    PEER_WINDOWS_S,
    meegkit_asr,
    meegkit_clean,
)
from volition.chunk import FloatArray, SignalSpec

#: Windows that a package that decodes flicker is given in one pass.
WINDOWS = 4
#: The window of the potato and what lies between its verdicts: those of our stage.
POTATO_WINDOW_S, POTATO_STEP_S = 1.0, 0.25


@dataclass(frozen=True, slots=True)
class Peer:
    """A package, and how to time it.

    Attributes
    ----------
    package
        Its name on the package index.
    does
        What it does of what ours does, where that is less or other.
    one_pass
        Runs it once over the data; gives processor seconds a chunk, or a decision.
    """

    package: str
    does: str
    one_pass: Callable[[], float]


def each(package: str, does: str, call: Callable[[Any], Any], items: Sequence[Any]) -> Peer:
    """Time ``call`` on each item alone."""

    def one_pass() -> float:
        clock = time.thread_time
        total = 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peer's own
            for item in items:
                since = clock()
                call(item)
                total += clock() - since
        return total / len(items)

    return Peer(package, does, one_pass)


def _imported(*names: str) -> list[Any] | str:
    """Import modules, or say which package is missing."""
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except ImportError as error:
            return f"{name.partition('.')[0]} is not installed here ({error.name} is missing)"
    return modules


# -- stages -------------------------------------------------------------------------------------

_NO_STAGE = {
    "bad_channels": "none was found that judges channels on a live signal",
    "band_power": "ezmsg-sigproc's is the power of a spectrogram, which is another thing",
    "eog_regression": "mne's EOGRegression is for whole recordings",
    "faster": "mne-faster judges sets of epochs, not a live signal",
    "gate": "none was found that gates by amplitude on a live signal",
    "adaptive_notch": "ezmsg-sigproc's lattice filter looks for one rhythm and removes none",
    "mwf": "the published one is for MATLAB",
    "resample": "ezmsg-sigproc's interpolates on a line, without a filter against aliases",
    "rls": "none was found that runs it on many channels",
    "saturate": "numpy.clip is all there is to it",
    "spike_counts": "none was found that bins sorted units outside a graph of its own",
    "threshold_crossings": "ezmsg-event is not part of this comparison",
}


def stage_peer(
    kind: str, pieces: Sequence[FloatArray], calibration: FloatArray, spec: SignalSpec
) -> Peer | str:
    """Give the peer of a stage, or why there is none.

    Parameters
    ----------
    kind
        Kind of the stage.
    pieces
        The signal in chunks, each (n_samples, n_channels).
    calibration : ndarray, shape (n_samples, n_channels)
        What stages are calibrated on.
    spec
        Specification of the signal.
    """
    if kind in {"asr", "rasr"}:
        return _meegkit_asr(pieces, calibration, spec.rate_hz)
    if kind == "potato":
        return _pyriemann_potato(pieces, calibration, spec.rate_hz)
    settings: dict[str, tuple[str, str, dict[str, Any]]] = {
        "bandpass": ("butterworthfilter", "ButterworthFilter", {"cuton": 5.0, "cutoff": 45.0}),
        "highpass": ("butterworthfilter", "ButterworthFilter", {"cuton": 1.0}),
        "lowpass": ("butterworthfilter", "ButterworthFilter", {"cutoff": 45.0}),
        "notch": ("butterworthfilter", "ButterworthFilter", {"cuton": 51.0, "cutoff": 49.0}),
        "pick": ("slicer", "Slicer", {"selection": "::2", "axis": "ch"}),
        "reference": ("affinetransform", "CommonRereference", {"axis": "ch"}),
        "zscore": ("scaler", "AdaptiveStandardScaler", {"time_constant": 10.0}),
    }
    if kind not in settings:
        return _NO_STAGE.get(kind, "none was looked for")
    module, name, arguments = settings[kind]
    if name == "ButterworthFilter":
        arguments = {"order": 1 if kind == "notch" else 4, "coef_type": "sos", **arguments}
    return _ezmsg_transformer(module, name, arguments, pieces, spec.rate_hz)


def _ezmsg_transformer(
    module: str,
    name: str,
    arguments: Mapping[str, Any],
    pieces: Sequence[FloatArray],
    rate_hz: float,
) -> Peer | str:
    """Drive a transformer of ezmsg-sigproc by itself, as its documentation shows."""
    modules = _imported(f"ezmsg.sigproc.{module}", "ezmsg.util.messages.axisarray")
    if isinstance(modules, str):
        return modules
    sigproc, messages = modules
    transformer = getattr(sigproc, f"{name}Transformer")(
        getattr(sigproc, f"{name}Settings")(**arguments)
    )
    made, start = [], 0
    for piece in pieces:
        made.append(_axis_array(messages, np.array(piece), rate_hz, start / rate_hz))
        start += len(piece)
    return each("ezmsg-sigproc", "the same, without missing samples", transformer, made)


def _axis_array(messages: Any, data: FloatArray, rate_hz: float, offset_s: float = 0.0) -> Any:
    axis = messages.AxisArray
    return axis(
        data,
        dims=["time", "ch"],
        axes={
            "time": axis.TimeAxis(fs=rate_hz, offset=offset_s),
            "ch": axis.CoordinateAxis(
                data=np.array([f"C{i}" for i in range(data.shape[1])]), dims=["ch"]
            ),
        },
        key="signal",
    )


def _meegkit_asr(
    pieces: Sequence[FloatArray], calibration: FloatArray, rate_hz: float
) -> Peer | str:
    """Run meegkit's ASR in its own windows: in pieces as short as our steps it hardly cleans."""
    if isinstance(modules := _imported("meegkit.asr"), str):
        return modules
    asr = meegkit_asr(calibration, rate_hz, cutoff=PEER_CUTOFF)
    signal = np.concatenate(pieces)

    def one_pass() -> float:
        since = time.thread_time()
        meegkit_clean(asr, signal, rate_hz, PEER_WINDOWS_S["half_second"])
        return (time.thread_time() - since) / len(pieces)

    return Peer(
        "meegkit", "the Euclidean one, at cutoff 20, in its own windows of half a second", one_pass
    )


def _pyriemann_potato(
    pieces: Sequence[FloatArray], calibration: FloatArray, rate_hz: float
) -> Peer | str:
    modules = _imported("pyriemann.artifact_detection", "pyriemann.estimation")
    if isinstance(modules, str):
        return modules
    detection, estimation = modules
    n = round(POTATO_WINDOW_S * rate_hz)
    covariances = estimation.Covariances("lwf")
    windows = [calibration[i : i + n].T for i in range(0, len(calibration) - n, n // 2)]
    potato = detection.Potato().fit(covariances.fit_transform(np.array(windows)))
    signal = np.concatenate([calibration[-n:], *pieces])
    step = round(POTATO_STEP_S * rate_hz)
    ends = range(n + step, len(signal) + 1, step)
    cut = [np.ascontiguousarray(signal[end - n : end].T)[None] for end in ends]
    verdicts = each("pyriemann", "", lambda w: potato.predict(covariances.transform(w)), cut)
    return Peer(
        "pyriemann",
        "covariance and verdict, as often",
        lambda: verdicts.one_pass() * len(pieces[0]) / step,
    )


# -- flicker ------------------------------------------------------------------------------------


def selector_peer(
    kind: str,
    epochs: FloatArray,
    targets: npt.NDArray[np.int64],
    freqs_hz: Sequence[float],
    rate_hz: float,
) -> Peer | str:
    """Give the peer of an SSVEP decoder, or why there is none.

    Parameters
    ----------
    kind
        Kind of the decoder.
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
    targets : ndarray of int, shape (n_trials,)
    freqs_hz
        Frequency of each target.
    rate_hz
        Sampling rate of the epochs.
    """
    window = round(rate_hz)
    if kind == "cca":
        windows = [epoch[:, -window:].T for epoch in epochs[:WINDOWS]]
        return _ezmsg_cca(windows, freqs_hz, rate_hz, harmonics=2, n_bands=1)
    if kind == "fbcca":
        windows = [epoch[:, -window:].T for epoch in epochs[:WINDOWS]]
        return _ezmsg_cca(windows, freqs_hz, rate_hz, harmonics=5, n_bands=5)
    if kind == "etrca":
        return _meegkit_trca(epochs[..., -window:], targets, rate_hz)
    if kind == "riemann":
        return _pyriemann_mdm(epochs[..., -window:], targets, freqs_hz, rate_hz)
    return {
        "dnn": "its network is the whole of it",
        "ecca": "those that were found are under copyleft",
        "tdca": "those that were found are under copyleft",
        "ssvep_adaptive": "it is our own",
        "ssvep_personal": "it is our own",
        "ssvep_pretrained": "it is our own",
    }.get(kind, "none was looked for")


def _sub_bands(window: FloatArray, n_bands: int, rate_hz: float) -> FloatArray:
    """Give (n_bands, n_samples, n_channels), as a peer that does not filter itself is given."""
    return np.stack(
        [
            sosfilt(
                butter(4, (8.0 * (band + 1), 88.0), "bandpass", fs=rate_hz, output="sos"),
                window,
                axis=0,
            )
            for band in range(n_bands)
        ]
    )


def _ezmsg_cca(
    windows: Sequence[FloatArray],
    freqs_hz: Sequence[float],
    rate_hz: float,
    *,
    harmonics: int,
    n_bands: int,
) -> Peer | str:
    modules = _imported("ezmsg.sigproc.fbcca", "ezmsg.util.messages.axisarray")
    if isinstance(modules, str):
        return _sklearn_cca(windows, freqs_hz, rate_hz, harmonics=harmonics, n_bands=n_bands)
    fbcca, messages = modules
    transformer = fbcca.FBCCATransformer(
        fbcca.FBCCASettings(
            time_dim="time",
            ch_dim="ch",
            filterbank_dim="band",
            harmonics=harmonics,
            freqs=list(freqs_hz),
        )
    )
    axis = messages.AxisArray
    made = [
        axis(
            _sub_bands(window, n_bands, rate_hz),
            dims=["band", "time", "ch"],
            axes={"time": axis.TimeAxis(fs=rate_hz)},
        )
        for window in windows
    ]
    return each("ezmsg-sigproc", "scores of a window that is filtered", transformer, made)


def _sklearn_cca(
    windows: Sequence[FloatArray],
    freqs_hz: Sequence[float],
    rate_hz: float,
    *,
    harmonics: int,
    n_bands: int,
) -> Peer | str:
    modules = _imported("sklearn.cross_decomposition")
    if isinstance(modules, str):
        return modules
    times = np.arange(len(windows[0])) / rate_hz
    references = [
        np.column_stack(
            [
                f(2 * np.pi * k * freq_hz * times)
                for k in range(1, harmonics + 1)
                for f in (np.sin, np.cos)
            ]
        )
        for freq_hz in freqs_hz
    ]

    def scores(bands: FloatArray) -> None:
        for band in bands:
            for reference in references:
                cca = modules[0].CCA(n_components=1)
                ours, theirs = cca.fit_transform(band, reference)
                np.corrcoef(ours[:, 0], theirs[:, 0])

    made = [_sub_bands(window, n_bands, rate_hz) for window in windows[:1]]
    return each("scikit-learn", "scores of a window that is filtered", scores, made)


def _meegkit_trca(epochs: FloatArray, targets: npt.NDArray[np.int64], rate_hz: float) -> Peer | str:
    modules = _imported("meegkit.trca")
    if isinstance(modules, str):
        return modules
    # Edges of the pass and stop bands, as in its example; half the rate is above them.
    filterbank = [[(8.0 * k, 88.0), (8.0 * k - 4, 96.0)] for k in range(1, 6)]
    trca = modules[0].TRCA(rate_hz, filterbank, ensemble=True)
    samples = np.ascontiguousarray(epochs.transpose(2, 1, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own
        trca.fit(samples, targets)
    windows = [samples[:, :, i : i + 1] for i in range(WINDOWS)]
    return each("meegkit", "a window, filtered by it", trca.predict, windows)


def _pyriemann_mdm(
    epochs: FloatArray, targets: npt.NDArray[np.int64], freqs_hz: Sequence[float], rate_hz: float
) -> Peer | str:
    """Classify block covariances of copies that are filtered around each target's frequency."""
    modules = _imported("pyriemann.classification", "pyriemann.estimation")
    if isinstance(modules, str):
        return modules
    classification, estimation = modules
    copies = [
        sosfilt(
            butter(2, (freq_hz - 0.5, freq_hz + 0.5), "bandpass", fs=rate_hz, output="sos"), epochs
        )
        for freq_hz in freqs_hz
    ]
    stacked = np.concatenate(copies, axis=1)
    covariances = estimation.BlockCovariances(block_size=epochs.shape[1], estimator="oas")
    classifier = classification.MDM().fit(covariances.fit_transform(stacked), targets)
    return each(
        "pyriemann",
        "covariances and verdict of a window that is filtered",
        lambda window: classifier.predict(covariances.transform(window)),
        [stacked[i : i + 1] for i in range(WINDOWS)],
    )


# -- movement -----------------------------------------------------------------------------------


def kinematic_peer(
    kind: str, variant: str, features: FloatArray, velocities: FloatArray, n_training: int
) -> Peer | str:
    """Give the peer of a decoder of movement, or why there is none.

    Parameters
    ----------
    kind, variant
        Kind and variant of the decoder.
    features : ndarray, shape (n_bins, n_features)
    velocities : ndarray, shape (n_bins, n_dimensions)
    n_training
        Bins to learn from; those after it are decoded one by one.
    """
    if kind == "kalman":
        return _filterpy(features, velocities, n_training, steady=variant == "steady")
    if kind == "recurrent":
        return "its network is the whole of it"
    if variant in {"multiple-kernel", "nadaraya-watson, local"}:
        return "none was found that has it"
    if kind == "wiener":
        features = np.hstack([np.roll(features, lag, axis=0) for lag in range(10)])
    return _sklearn_regression(
        "linear" if kind == "wiener" else variant, features, velocities, n_training
    )


def _filterpy(
    features: FloatArray, velocities: FloatArray, n_training: int, *, steady: bool
) -> Peer | str:
    modules = _imported("filterpy.kalman")
    if isinstance(modules, str):
        return modules
    n = velocities.shape[1]
    learned = slice(0, n_training)
    observation = np.linalg.lstsq(velocities[learned], features[learned], rcond=None)[0].T
    kalman = modules[0].KalmanFilter(dim_x=n, dim_z=features.shape[1])
    kalman.F, kalman.H = 0.95 * np.eye(n), observation
    kalman.Q, kalman.R = 0.1 * np.eye(n), 4.0 * np.eye(features.shape[1])
    bins = [row[:, None] for row in features[n_training:]]
    for row in bins[:50]:
        kalman.predict()
        kalman.update(row)

    def step(row: FloatArray) -> None:
        kalman.predict()
        kalman.update(row)

    def steady_step(row: FloatArray) -> None:
        kalman.predict_steadystate()
        kalman.update_steadystate(row)

    return each("filterpy", "the filter alone", steady_step if steady else step, bins)


def _sklearn_regression(
    variant: str, features: FloatArray, velocities: FloatArray, n_training: int
) -> Peer | str:
    """Give the regression alone, without the filter behind it."""
    learned, bins = slice(0, n_training), [row[None] for row in features[n_training:][:50]]
    scale = np.sqrt(features.shape[1])
    made: dict[str, tuple[str, Callable[[Any], Any]]] = {
        # All points are neighbours, weighed by a Gaussian: Nadaraya and Watson.
        "nadaraya-watson": (
            "sklearn.neighbors",
            lambda m: m.KNeighborsRegressor(
                n_training,
                weights=lambda d: np.exp(-0.5 * (d / scale) ** 2),
                algorithm="brute",
            ),
        ),
        "gaussian-process": (
            "sklearn.gaussian_process",
            lambda m: m.GaussianProcessRegressor(m.kernels.RBF(scale), alpha=1.0, optimizer=None),
        ),
        "kernel-ridge": (
            "sklearn.kernel_ridge",
            lambda m: m.KernelRidge(alpha=0.1, kernel="rbf", gamma=0.5 / scale**2),
        ),
        "network": (
            "sklearn.neural_network",
            lambda m: m.MLPRegressor(
                hidden_layer_sizes=(10,), activation="tanh", max_iter=5, random_state=0
            ),
        ),
        "random-forest": (
            "sklearn.ensemble",
            lambda m: m.RandomForestRegressor(
                n_estimators=50, max_depth=12, min_samples_leaf=5, max_features=0.34, random_state=0
            ),
        ),
        "linear": ("sklearn.linear_model", lambda m: m.Ridge(100.0)),
    }
    module, make = made[variant]
    modules = _imported(module)
    if isinstance(modules, str):
        return modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops before it converges, as ours does
        regression = make(modules[0]).fit(features[learned], velocities[learned])
    return each("scikit-learn", "the regression alone", regression.predict, bins)
