"""The multi-channel Wiener filter: an artifact told from the rest by when it is there.

From the covariance R_y of the signal while artifacts last and R_v of the signal while there are
none, the filter gives the least-squares estimate of the artifact in every channel, which is then
subtracted (Somers, Francart and Bertrand, J. Neural Eng. 15:036007, 2018, equations 8 to 13). The
difference R_y - R_v need not be positive; by the generalised eigenvectors V of the pair, only what
artifacts enlarge is kept: W = V diag((λ - 1) / λ, 0 where λ <= 1) V⁻¹. Past samples beside the
newest one make the filter one in time as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import lift
from volition.decoders.artifacts.references import robust_deviation
from volition.decoders.artifacts.steps import Steps, finish, pieces

#: Samples that are summed up in one step.
SAMPLES_AT_ONCE = 500


def stack_past(samples: FloatArray, taps: int, spacing: int) -> FloatArray:
    """Put past samples beside each one.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
    taps, spacing
        How many samples of each channel, the newest among them, and how far apart.

    Returns
    -------
    ndarray, shape (n_samples, taps * n_channels)
        What lies before the first sample is 0.
    """
    n_samples, n_channels = samples.shape
    stacked = np.zeros((n_samples, taps * n_channels))
    for tap in range(taps):
        shift = tap * spacing
        if shift < n_samples:
            columns = slice(tap * n_channels, (tap + 1) * n_channels)
            stacked[shift:, columns] = samples[: n_samples - shift]
    return stacked


def fit_wiener(
    samples: FloatArray,
    mask: npt.NDArray[np.bool_],
    taps: int = 1,
    spacing: int = 1,
    shrinkage: float = 0.0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit the filter.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
    mask : ndarray of bool, shape (n_samples,)
        True while an artifact lasts.
    taps, spacing
        As `stack_past` takes them; the artifact is estimated in the newest samples.
    shrinkage
        How far both covariances are drawn towards white noise of the power that there is without
        artifacts, from 0 (not at all) to 1.

    Returns
    -------
    filter : ndarray, shape (n_stacked, n_channels)
        ``stacked @ filter`` is the artifact, ``stacked`` what `stack_past` gives.
    detector : ndarray, shape (n_stacked,)
        The direction that artifacts enlarge most, of unit variance without them.
    deviation : ndarray, shape (1,)
        The robust deviation of the detector without artifacts.
    """
    return finish(fit_wiener_steps(samples, mask, taps, spacing, shrinkage))


def fit_wiener_steps(
    samples: FloatArray,
    mask: npt.NDArray[np.bool_],
    taps: int,
    spacing: int,
    shrinkage: float = 0.0,
) -> Steps[tuple[FloatArray, FloatArray, FloatArray]]:
    """Do as `fit_wiener`, in steps."""
    n_channels = samples.shape[1]
    past = (taps - 1) * spacing
    parts = [
        (slice(max(0, some.start - past), some.stop), some)
        for some in pieces(len(samples), SAMPLES_AT_ONCE)
    ]

    def stacked(with_past: slice, some: slice) -> FloatArray:
        return stack_past(samples[with_past], taps, spacing)[some.start - with_past.start :]

    with_artifact = np.zeros((taps * n_channels,) * 2)
    without = np.zeros_like(with_artifact)
    for with_past, some in parts:
        part, inside = stacked(with_past, some), mask[some]
        with_artifact += part[inside].T @ part[inside]
        without += part[~inside].T @ part[~inside]
        yield
    without = lift(without / (~mask).sum())
    white = shrinkage * float(np.trace(without)) / len(without) * np.eye(len(without))
    # The same is added to both, so that what is shrunk of their difference is the share alone.
    without = (1 - shrinkage) * without + white
    with_artifact = (1 - shrinkage) * with_artifact / mask.sum() + white
    values, vectors = scipy.linalg.eigh(with_artifact, without)
    yield
    gains = np.maximum(values - 1.0, 0.0) / np.maximum(values, 1e-12)
    # The eigenvectors are orthonormal in R_v: V⁻¹ = Vᵀ R_v.
    estimate: FloatArray = (vectors * gains) @ (vectors.T @ without[:, :n_channels])
    detector: FloatArray = vectors[:, -1]
    found = []
    for with_past, some in parts:
        found.append(stacked(with_past, some)[~mask[some]] @ detector)
        yield
    return estimate, detector, robust_deviation(np.concatenate(found)[:, None])


def artifact_mask(
    references: FloatArray, rate_hz: float, *, above: float = 4.0, around_s: float = 0.15
) -> npt.NDArray[np.bool_]:
    """Say when eye artifacts last, by references that show them.

    Parameters
    ----------
    references : ndarray, shape (n_samples, n_references)
        High-passed.
    above
        In robust deviations.
    around_s
        Before and after, what begins and ends below that counts as well.
    """
    deviation = np.maximum(robust_deviation(references), 1e-9)
    large = np.any(np.abs(references) > above * deviation, axis=1)
    reach = round(around_s * rate_hz)
    spread = np.convolve(large, np.ones(2 * reach + 1), "same") > 0.5
    mask: npt.NDArray[np.bool_] = spread[: len(large)]
    return mask
