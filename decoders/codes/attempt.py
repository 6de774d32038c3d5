"""One selection in the making: what was flashed since its onset, and what that says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray


@dataclass(slots=True, eq=False)
class Attempt:
    """A selection from its onset to its answer.

    Attributes
    ----------
    onset
        LSL time of the marker that began it, seconds.
    first
        Number of the first sample at or after the onset.
    log_prior : ndarray, shape (n_items,)
        What was thought of each item before.
    evidence : ndarray, shape (n_items,)
        See `volition.decoders.codes.stopping`.
    n_flashes : ndarray of int, shape (n_items,)
        How often each item was on, of what is in the evidence.
    deadline
        LSL time at which it is answered at the latest, seconds.
    ends
        LSL time after which flashes are left out, seconds.
    missing
        A sample that it needed was missing.
    newest
        Number of samples seen by the end of what is in the evidence.
    """

    onset: float
    first: int
    log_prior: FloatArray
    evidence: FloatArray
    n_flashes: npt.NDArray[np.int64]
    deadline: float
    ends: float
    missing: bool = False
    newest: int = 0
    last_flash: float = -np.inf
    steps: list[int] = field(default_factory=list)
