"""Garbage collection between chunks, never within one, and memory that is given back."""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Callable

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

    def give_back(self) -> None:
        """Give the system the memory of what was just replaced.

        A decoder holds itself in rings of references, and its arrays lie among those that stay: a
        hundred changes of the model left 200 MB behind, free and kept. This takes a millisecond.
        """
        if self._has_taken_over:
            gc.collect()
            _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    """Give the C library's call that returns what is free to the system, where it has one."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # none but glibc has it
        return lambda _: None
    return trim
