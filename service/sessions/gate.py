"""What leaves a session while the emergency stop holds: the one place that every intent passes.

A held intent is replaced by its neutral stand-in; a cursor's stays at the position that was sent
last. The gate also notes at which intent it was closed or opened, so that a replay does the same.
"""

from __future__ import annotations

from volition.decoders.contract.intent import CursorIntent, Intent, neutral


class Gate:
    """Lets intents through as they are, or as neutral ones.

    Attributes
    ----------
    closed
        Whether intents are held.
    turned_at
        Number of the first intent since it was closed, or opened, last.
    """

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.turned_at: int | None = None
        self._position: list[float] | None = None

    def turn(self, closed: bool, next_seq: int) -> None:
        """Close or open it, before the intent of a number."""
        if closed is not self.closed:
            self.closed = closed
            self.turned_at = next_seq

    def pass_on(self, intent: Intent) -> Intent:
        """Give what leaves in the place of an intent."""
        if self.closed:
            return neutral(intent, self._position)
        if type(intent) is CursorIntent:
            self._position = intent.position
        return intent
