"""Evidence that adds up over sliding windows until it is a command.

Leaky, so that old windows are forgotten; bounded, so that a long wait at one class does not have to
be undone; with a dead zone, in which noise adds up to nothing; held, so that one loud window is no
command; and refractory. The class of rest gathers evidence as any other and is never commanded.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.classes.settings import Evidence


class Accumulator:
    """The evidence for each class.

    Parameters
    ----------
    settings
        How it adds up.
    n_classes
        How many there are.
    rest
        Index of the class of rest; None without one.
    step_s
        Time from window to window, seconds.
    """

    def __init__(self, settings: Evidence, n_classes: int, rest: int | None, step_s: float) -> None:
        self._settings = settings
        self._rest = rest
        self._n_hold = round(settings.hold_s / step_s)
        self._n_refractory = round(settings.refractory_s / step_s)
        self.evidence: FloatArray = np.zeros(n_classes)
        self.reset()

    def reset(self) -> None:
        """Forget all evidence and every waiting time: the signal begins anew."""
        self.evidence[:] = 0.0
        self._leader: int | None = None
        self._n_above = 0
        self._n_wait = 0

    def take(self, probabilities: FloatArray) -> int | None:
        """Take a window's probabilities (n_classes,); give the class that it commands, if any."""
        settings = self._settings
        apart = probabilities - 1.0 / len(probabilities)
        apart = np.where(np.abs(apart) <= settings.dead_zone, 0.0, apart)
        self.evidence *= 1.0 - settings.share
        self.evidence += settings.share * apart
        np.clip(self.evidence, -settings.bound, settings.bound, out=self.evidence)
        self._n_wait = max(0, self._n_wait - 1)
        leader = int(self.evidence.argmax())
        if self.evidence[leader] <= settings.threshold or leader == self._rest:
            self._leader, self._n_above = None, 0
            return None
        self._n_above = self._n_above + 1 if leader == self._leader else 1
        self._leader = leader
        if self._n_above <= self._n_hold or self._n_wait:
            return None
        self._n_wait = self._n_refractory
        self._n_above = 0
        self.evidence[:] = 0.0
        return leader
