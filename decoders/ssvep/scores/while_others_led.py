"""What each target's values were while another target led: a person's own background.

A background favours some frequencies, and its mean may be taken away. The mean must be of windows
in which *another* target led: that of all windows tells which targets have had their turn, and
where each has equally many turns that is knowledge of the answer.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.history import History

#: Number of windows after which it counts half.
TRUSTED_WINDOWS = 10.0


class WhileOthersLed:
    """Mean of each target's values over the windows in which another target led.

    Parameters
    ----------
    shape
        Shape of the values of a window: (n_targets, ...).
    n_kept
        How many windows back it can be asked for.
    """

    def __init__(self, shape: tuple[int, ...], n_kept: int) -> None:
        self._sum, self._count = np.zeros(shape), np.zeros(shape[0])
        self._history = History(np.zeros(shape), n_kept)

    def reset(self) -> None:
        self._sum[:], self._count[:] = 0, 0
        self._history.reset()

    def take(self, end: int, values: FloatArray, led: int) -> None:
        """Take the values of the window that ended with sample ``end``, in which ``led`` led."""
        others = np.arange(len(values)) != led
        self._sum[others] += values[others]
        self._count[others] += 1
        counts = np.maximum(self._count, 1).reshape(-1, *(1,) * (values.ndim - 1))
        mean = self._sum / counts
        trust = self._count.min() / (self._count.min() + TRUSTED_WINDOWS)
        self._history.add(end, trust * (mean - mean.mean(axis=0)))

    def before(self, start: int) -> FloatArray:
        """Give how far each target's mean is above all targets', by sample ``start``."""
        return self._history.before(start)
