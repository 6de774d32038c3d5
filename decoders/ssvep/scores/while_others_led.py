"""What each target's values were while another target led: a person's own background.

A background favours some frequencies, and its mean may be taken away. The mean must be of windows
in which *another* target led: that of all windows tells which targets have had their turn, and
where each has equally many turns that is knowledge of the answer.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from volition.chunk import FloatArray

#: Number of windows after which it counts half.
TRUSTED_WINDOWS = 10.0


class WhileOthersLed:
    """Mean of each target's values over the windows in which another target led.

    Parameters
    ----------
    shape
        Of the values of a window: (n_targets, ...).
    n_kept
        How many windows back it can be asked for.
    """

    def __init__(self, shape: tuple[int, ...], n_kept: int) -> None:
        self._shape = shape
        self._kept: deque[tuple[int, FloatArray]] = deque(maxlen=n_kept)
        self.reset()

    def reset(self) -> None:
        self._sum = np.zeros(self._shape)
        self._count = np.zeros(self._shape[0])
        self._kept.clear()
        self._kept.append((0, np.zeros(self._shape)))

    def take(self, end: int, values: FloatArray, led: int) -> None:
        """Take the values of the window that ended with sample ``end``, in which ``led`` led."""
        others = np.arange(len(values)) != led
        self._sum[others] += values[others]
        self._count[others] += 1
        counts = np.maximum(self._count, 1).reshape(-1, *(1,) * (values.ndim - 1))
        mean = self._sum / counts
        trust = self._count.min() / (self._count.min() + TRUSTED_WINDOWS)
        self._kept.append((end, trust * (mean - mean.mean(axis=0))))

    def before(self, start: int) -> FloatArray:
        """Give how far each target's mean is above all targets', by sample ``start``."""
        return next(
            (offset for end, offset in reversed(self._kept) if end <= start), self._kept[0][1]
        )
