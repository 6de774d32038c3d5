"""Garbage collection between chunks, never within one."""

from __future__ import annotations

import gc

_COLLECT_S = 5.0


class GarbageCollector:
    """Takes the interpreter's collector over, once everything that lasts has been made."""

    def __init__(self) -> None:
        self._has_taken_over = False
        self._t_collected = 0.0

    def take_over(self) -> None:
        """Freeze what there is, which is never garbage, and have nothing collected by itself."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._has_taken_over = True

    def collect_if_due(self, now: float) -> None:
        """Collect now and then; to be called between two chunks.

        What was there at the start is frozen, so all the rest is little. Collecting it all also
        empties the interpreter's free lists, which fill for minutes otherwise.
        """
        if self._has_taken_over and now - self._t_collected >= _COLLECT_S:
            self._t_collected = now
            gc.collect()
