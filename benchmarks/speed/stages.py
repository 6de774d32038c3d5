"""What each stage that removes artifacts costs: its share of real time, on one thread.

A made-up signal with blinks in a tenth of its time is run through a calibrated stage in chunks of
20 ms, as a session would; the share is the processor time of this thread over the time that the
signal lasts. meegkit's ASR, where it is installed, is given the same calibration and signal in the
same run, twice: in windows of half a second, as its own examples do, and in pieces as long as our
steps, so that both decide as often. Limit BLAS to one thread (for OpenBLAS,
``OPENBLAS_NUM_THREADS=1``).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import time
import warnings
from typing import Any

import numpy as np

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.artifacts.electrodes import positions
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage
from volition.decoders.stages.blocks import BlockStage

#: Channels and rate (Hz) of the signals.
SIGNALS = ((32, 250.0), (64, 1000.0))
CHUNK_S = 0.02
CALIBRATION_S = 30.0
#: What the peer is given at once, seconds: as in its own examples, and as often as ours decides, in
#: which it hardly cleans.
PEER_WINDOWS_S = {"half_second": 0.5, "as_often": 0.032}
#: The cutoff of both, so that they have as much to repair.
PEER_CUTOFF = 20.0
KINDS = (
    "asr",
    "rasr",
    "eog_regression",
    "rls",
    "mwf",
    "faster",
    "potato",
    "gate",
    "bad_channels",
    "adaptive_notch",
    "notch",
)


def measure(seconds: float = 20.0) -> dict[str, Any]:
    """Time every stage on each of `SIGNALS`.

    Returns
    -------
    dict
        ``rows``: for each signal and stage ``share`` of real time, ``slowest_ms``, the longest that
        one chunk took, and ``calibration_s``, how long the calibration took; for ``asr`` and
        ``rasr`` the peer's share and our ratio to it, by `PEER_WINDOWS_S`; None where it is not
        installed.
    """
    rows = []
    for n_channels, rate_hz in SIGNALS:
        calibration, signal, spec = made_up(n_channels, rate_hz, seconds)
        for kind in KINDS:
            row: dict[str, Any] = {"n_channels": n_channels, "rate_hz": rate_hz, "stage": kind}
            row |= _time_stage(kind, calibration, signal, spec)
            if kind in {"asr", "rasr"}:
                for name, window_s in PEER_WINDOWS_S.items():
                    peer = meegkit_share(calibration, signal, rate_hz, window_s)
                    row[f"peer_share_{name}"] = peer
                    row[f"ratio_{name}"] = None if peer is None else row["share"] / peer
            rows.append(row)
    return {"chunk_s": CHUNK_S, "seconds": seconds, "rows": rows}


def made_up(
    n_channels: int, rate_hz: float, seconds: float
) -> tuple[FloatArray, FloatArray, SignalSpec]:
    """Give a calibration, a signal, each (n_samples, n_channels), and their spec."""
    rng = np.random.default_rng(0)
    places = positions()
    labels = [label for label in places if label not in {"T3", "T4", "T5", "T6"}][:n_channels]
    frontal = np.exp(-np.arccos(np.clip([places[label][1] for label in labels], -1, 1)))
    n = round((CALIBRATION_S + seconds) * rate_hz)
    mixing = rng.standard_normal((n_channels, n_channels)) / np.sqrt(n_channels)
    signal = 7 * (rng.standard_normal((n, n_channels)) @ mixing + rng.standard_normal((n, 1)))
    times = np.arange(n) / rate_hz
    for at in np.arange(2.0, CALIBRATION_S + seconds, 3.0):
        signal += 250 * np.exp(-0.5 * ((times - at) / 0.07) ** 2)[:, None] * frontal
    split = round(CALIBRATION_S * rate_hz)
    return signal[:split], signal[split:], SignalSpec(rate_hz, tuple(labels))


def _time_stage(
    kind: str, calibration: FloatArray, signal: FloatArray, spec: SignalSpec
) -> dict[str, Any]:
    stage = registry.build_stage(_settings(kind, spec))
    calibration_s = 0.0
    if isinstance(stage, BlockStage):
        since = time.thread_time()
        parameters = stage.fit(calibration, spec)
        calibration_s = time.thread_time() - since
        if parameters:
            stage.use(parameters)
    stage.prepare(spec)
    steps = _run(stage, signal, spec.rate_hz)
    return {
        "share": float(steps.sum() / (len(signal) / spec.rate_hz)),
        "slowest_ms": float(1e3 * steps.max()),
        "calibration_s": calibration_s,
    }


def _settings(kind: str, spec: SignalSpec) -> Settings:
    references = {"references": list(spec.labels[:2])}
    extra: dict[str, Any] = references if kind in {"eog_regression", "rls", "mwf"} else {}
    if kind in {"asr", "rasr"}:
        extra = {"cutoff": PEER_CUTOFF}
    return registry.stages()[kind].settings_model.model_validate({"kind": kind, **extra})


def _run(stage: Stage[Any], signal: FloatArray, rate_hz: float) -> FloatArray:
    """Give the processor time that each chunk took, seconds: the stage's alone, so no `Cleaner`."""
    step = round(CHUNK_S * rate_hz)
    times = np.arange(len(signal)) / rate_hz
    took = []
    for start in range(0, len(signal), step):
        chunk = Chunk(signal[start : start + step].copy(), times[start : start + step])
        since = time.thread_time()
        stage.process(chunk)
        took.append(time.thread_time() - since)
    return np.array(took)


def meegkit_share(
    calibration: FloatArray, signal: FloatArray, rate_hz: float, window_s: float
) -> float | None:
    """Give meegkit's share of real time on the same data; None where it is not installed."""
    asr = meegkit_asr(calibration, rate_hz, cutoff=PEER_CUTOFF)
    if asr is None:
        return None
    since = time.thread_time()
    meegkit_clean(asr, signal, rate_hz, window_s)
    return (time.thread_time() - since) / (len(signal) / rate_hz)


def meegkit_asr(calibration: FloatArray, rate_hz: float, *, cutoff: float) -> Any:
    """Give meegkit's ASR, fitted; None where it is not installed.

    It is the Euclidean one, whichever of ours it is set beside: the Riemannian one needs a package
    that meegkit does not bring along.
    """
    try:
        module = importlib.import_module("meegkit.asr")
    except ImportError:
        return None
    # It prints when its median has not converged, which would end up within an answer in JSON.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the peer's own
        asr = module.ASR(sfreq=rate_hz, cutoff=cutoff)
        asr.fit(calibration.T.copy())
    return asr


def meegkit_clean(
    asr: Any, signal: FloatArray, rate_hz: float, window_s: float = 0.5
) -> FloatArray:
    """Clean a signal (n_samples, n_channels) by meegkit's fitted ASR, ``window_s`` at a time."""
    step = round(window_s * rate_hz)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the peer's own
        pieces = [
            np.asarray(asr.transform(signal[start : start + step].T.copy())).T
            for start in range(0, len(signal), step)
        ]
    return np.concatenate(pieces)
