"""What was on, sample by sample, since an attempt began."""

from __future__ import annotations

import bisect

import numpy as np
import numpy.typing as npt

from volition.decoders.codes.sequences import BoolArray

IntArray = npt.NDArray[np.int64]


class Shown:
    """Which items are on: by steps at a rate, or by flashes as they were marked.

    Parameters
    ----------
    steps : ndarray of bool, shape (n_items, n_steps)
        The code book's.
    step_samples
        Samples of a step, not always whole; None where flashes are marked.
    flash_samples
        How long a marked flash lasts; None where it lasts until the next marker.
    """

    def __init__(
        self, steps: BoolArray, step_samples: float | None, flash_samples: int | None = None
    ) -> None:
        self._steps, self._step_samples = steps, step_samples
        self._flash_samples = flash_samples
        self._starts: list[int] = []
        self._on: list[BoolArray] = []

    def flash(self, sample: int, on: BoolArray) -> None:
        """From a sample on, counted from the onset, these items are on and no others."""
        self._turn(sample, on)
        if self._flash_samples is not None:
            self._turn(sample + self._flash_samples, np.zeros_like(on))

    def _turn(self, sample: int, on: BoolArray) -> None:
        place = bisect.bisect_right(self._starts, sample)
        self._starts.insert(place, sample)
        self._on.insert(place, on)

    def between(self, first: int, stop: int) -> BoolArray:
        """Give which items are on, shape (n_items, stop - first); none before the onset."""
        samples = np.arange(first, stop)
        on: BoolArray
        if self._step_samples is not None:
            # A step begins at the first sample that it reaches.
            steps = np.floor((samples + 1e-6) / self._step_samples).astype(np.int64)
            on = self._steps[:, steps % self._steps.shape[1]]
        else:
            table = np.array([np.zeros(len(self._steps), dtype=bool), *self._on])
            on = table[np.searchsorted(self._starts, samples, side="right")].T
        return on & (samples >= 0)

    def counts(self, stop: int) -> IntArray:
        """Give how often each item turned on before a sample, shape (n_items,)."""
        if self._step_samples is None:
            n_seen = bisect.bisect_left(self._starts, stop)
            nothing = np.zeros((1, len(self._steps)), dtype=bool)
            on = np.concatenate([nothing, *(row[None] for row in self._on[:n_seen])]).T
        else:
            on = self.between(-1, stop)
        counted: IntArray = (on[:, 1:] & ~on[:, :-1]).sum(axis=1)
        return counted
