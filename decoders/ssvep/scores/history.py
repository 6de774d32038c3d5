"""What a decoder has learned by each sample: a window is judged by what was known before it."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Known = TypeVar("Known")


class History(Generic[Known]):
    """What was known after each of the newest windows.

    Parameters
    ----------
    nothing
        What is known before any window.
    n_kept
        How many windows back it can be asked for.
    """

    def __init__(self, nothing: Known, n_kept: int) -> None:
        self._nothing = nothing
        self._kept: deque[tuple[int, Known]] = deque(maxlen=n_kept)
        self.reset()

    def reset(self) -> None:
        """Know nothing again."""
        self._kept.clear()
        self._kept.append((0, self._nothing))

    @property
    def newest(self) -> Known:
        """What is known after the newest window."""
        return self._kept[-1][1]

    def add(self, end: int, known: Known) -> None:
        """Take what is known after the window that ended with sample ``end``."""
        self._kept.append((end, known))

    def before(self, start: int) -> Known:
        """Give what was known by sample ``start``; the oldest kept where that is later."""
        return next(
            (known for end, known in reversed(self._kept) if end <= start), self._kept[0][1]
        )
