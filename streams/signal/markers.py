"""How the samples of a marker stream become events: the same live and from a file.

Marker streams are texts or numbers, of one channel as a rule. One of several is chosen by its
label or its number, from 1. A number becomes its digits: 7.0 is ``7``. What is no UTF-8 is read
with the replacement character; a number that is none is skipped and counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

from volition.chunk import Event
from volition.errors import StreamError
from volition.incoming import MOST_TEXT_CHARS

_N_RECENT = 10
_SHOWN_CHARACTERS = 200


def choose_channel(wanted: str | int | None, n_channels: int, labels: Sequence[str] = ()) -> int:
    """Give the place of the channel that holds the markers.

    Raises
    ------
    StreamError
        There are several and none is chosen, or there is none of that label or number.
    """
    if n_channels < 1:
        raise StreamError("the marker stream has no channels")
    if wanted is None:
        if n_channels == 1:
            return 0
        raise StreamError(
            f"the marker stream has {n_channels} channels; choose one with markers.channel, by "
            f"its {'label (' + ', '.join(labels) + ') or ' if labels else ''}number (1 to "
            f"{n_channels})"
        )
    text = str(wanted)
    if text in labels:
        return list(labels).index(text)
    if text.isdecimal() and 1 <= int(text) <= n_channels:
        return int(text) - 1
    raise StreamError(
        f"the marker stream has no channel '{wanted}'; it has {n_channels}"
        + (f" ({', '.join(labels)})" if labels else "")
    )


class MarkerReader:
    """Reads one marker stream.

    Parameters
    ----------
    channel
        The place of the channel that holds the markers.

    Attributes
    ----------
    skipped : int
        Samples that held nothing to read.
    recent : deque of dict
        The last markers: ``time``, ``text`` as it came, ``name``, ``data``, and ``read_as``.
    """

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel
        self.skipped = 0
        self.recent: deque[dict[str, Any]] = deque(maxlen=_N_RECENT)

    def read(self, time: float, sample: Sequence[Any]) -> Event | None:
        """Read a sample; None for one that holds no marker."""
        text = _text_of(sample[self._channel])
        if text is None or not math.isfinite(time):
            self.skipped += 1
            return None
        event = Event.parse(time, text)
        self.recent.append(
            {
                "time": time,
                "text": text[:_SHOWN_CHARACTERS],
                "name": event.name[:_SHOWN_CHARACTERS],
                "read_as": _how(text, event),
            }
        )
        return event


def _text_of(value: Any) -> str | None:
    """Write a value as a text; None for a number that is none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        # What cannot be written as UTF-8 again would end the recording.
        return value.encode("utf-8", "replace").decode()[:MOST_TEXT_CHARS].rstrip("\0")
    number = float(value)
    if not math.isfinite(number):
        return None
    if isinstance(value, float) or not float(value).is_integer():
        return str(int(number)) if number.is_integer() else repr(number)
    return str(int(value))


def _how(text: str, event: Event) -> str:
    if event.name != text:
        return "json"
    return "text, for its JSON is not of the documented form" if text.startswith("{") else "text"
