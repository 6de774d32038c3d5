"""Long computations in short steps, so that a session goes on while one of its stages learns.

A computation is a generator that pauses (``yield``) wherever it has taken some milliseconds, and
returns its result. Who drives it decides when the next step comes: all at once (`finish`), or one
after every n samples, which makes the moment of the result one of the sample clock and not of the
processor's. Where it pauses changes no digit of what it gives.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """Take all steps; give the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def pieces(n: int, at_once: int) -> Iterator[slice]:
    """Cut ``n`` rows or columns into pieces of ``at_once``."""
    for start in range(0, n, at_once):
        yield slice(start, min(n, start + at_once))
