"""Which velocity was meant in each bin: what a cursor's decoder is fitted to.

`intended_velocities` relabels what a decoder did; `aimed_velocities` labels what a person does
while there is no decoder yet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray


def intended_velocities(
    velocities: FloatArray,
    positions: FloatArray,
    targets: FloatArray,
    held: npt.NDArray[np.bool_],
) -> FloatArray:
    """Relabel decoded velocities by what was surely meant: ReFIT's first step.

    Each velocity keeps its speed and turns towards the target; where the target is held, nothing
    was meant to move (Gilja et al., Nat. Neurosci. 15:1752-1757, 2012).

    Parameters
    ----------
    velocities, positions, targets : ndarray, shape (n_bins, n_dimensions)
        What the cursor did, where it was, and where it was to go.
    held : ndarray of bool, shape (n_bins,)
        Whether the cursor was within its target.

    Returns
    -------
    ndarray, shape (n_bins, n_dimensions)
    """
    towards = targets - positions
    distance = np.linalg.norm(towards, axis=1, keepdims=True)
    speed = np.linalg.norm(velocities, axis=1, keepdims=True)
    intended: FloatArray = np.divide(
        towards * speed, distance, out=np.zeros_like(velocities), where=distance > 0
    )
    intended[held] = 0.0
    return intended


def aimed_velocities(
    positions: FloatArray,
    targets: FloatArray,
    held: npt.NDArray[np.bool_],
    *,
    speed: float,
    slowing_s: float,
) -> FloatArray:
    """Label bins by where a person must have aimed, whatever the cursor did.

    The labels of a calibration that begins with no decoder: towards the target, at ``speed`` from
    afar and slower near it, as hands and cursors approach; nothing where it is held (Brandman et
    al., J. Neural Eng. 15:026007, 2018, label by the direction alone).

    Parameters
    ----------
    positions, targets : ndarray, shape (n_bins, n_dimensions)
        Where the cursor was, and where it was to go.
    held : ndarray of bool, shape (n_bins,)
        Whether the cursor was within its target.
    speed, slowing_s
        The largest speed; below it, the speed is the distance over this time.

    Returns
    -------
    ndarray, shape (n_bins, n_dimensions)
    """
    towards = targets - positions
    distance = np.linalg.norm(towards, axis=1, keepdims=True)
    wanted = np.minimum(distance / slowing_s, speed)
    aimed: FloatArray = np.divide(
        towards * wanted, distance, out=np.zeros_like(towards), where=distance > 0
    )
    aimed[held] = 0.0
    return aimed
