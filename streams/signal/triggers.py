"""Codes of triggers in a channel of the signal, as events: the same live and from a file.

Many amplifiers write what their trigger input shows into a channel beside the EEG. An event is
where the channel changes to a code that is not 0; its name is the code. Only its lower 16 bits
count: recorders keep states of their own in those above. The channel travels with the signal, so
an event has the time that its very sample gets, whatever the stamps.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.chunk import Event, FloatArray, SignalSpec

CODES = "trigger codes"
"""Kind of the channel in the spec of a session's signal, where it is the last one."""

_BITS = 0xFFFF
_N_RECENT = 10


def without_codes(spec: SignalSpec) -> SignalSpec:
    """Give the spec of the signal beside its trigger channel."""
    if spec.kinds[-1:] != (CODES,):
        return spec
    return SignalSpec(spec.rate_hz, spec.labels[:-1], spec.units[:-1], spec.kinds[:-1])


class TriggerReader:
    """Reads one trigger channel.

    Attributes
    ----------
    count : int
        Events so far.
    recent : deque of dict
        The last of them: ``time`` and ``name``.
    """

    def __init__(self) -> None:
        self._code: int | None = None
        self.count = 0
        self.recent: deque[dict[str, Any]] = deque(maxlen=_N_RECENT)

    def read(self, values: npt.NDArray[Any], times: FloatArray) -> list[Event]:
        """Read the channel's next samples, both of shape (n_samples,); NaN is no code."""
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return []
        codes = np.asarray(values)[known].astype(np.int64) & _BITS
        before = codes[0] if self._code is None else self._code
        changed = np.flatnonzero(np.diff(codes, prepend=before))
        self._code = int(codes[-1])
        events = [Event(float(times[known[i]]), str(codes[i])) for i in changed if codes[i]]
        self.count += len(events)
        self.recent.extend({"time": event.time, "name": event.name} for event in events)
        return events
