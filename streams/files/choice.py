"""Which streams of a file stand for those that a session listens to.

The keys are the session's own: name, type (in any capitals), source id, host. Live they must all
match. A file is often of another headset than the session was written for, so one that is the only
signal of its type stands for it all the same, and that is told; so is what is in the file and not
used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from volition.errors import RecordingError
from volition.streams.files.xdf_reader import XdfStream

_MARKER_TYPE = re.compile("marker|event|stim|trigger", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """By what a stream is chosen; what is None matches any.

    Attributes
    ----------
    name, type, source_id, host
        As the stream gives them; the type may differ in capitals.
    channel
        Channel of a marker stream with several: label or number, from 1, of that with the markers.
    """

    name: str | None = None
    type: str | None = None
    source_id: str | None = None
    host: str | None = None
    channel: str | int | None = None

    def match(self, stream: XdfStream) -> bool:
        """Whether all keys match."""
        is_type = self.type is None or stream.type.casefold() == self.type.casefold()
        return is_type and all(
            wanted is None or wanted == found
            for wanted, found in (
                (self.name, stream.name),
                (self.source_id, stream.source_id),
                (self.host, stream.host),
            )
        )


def is_marker(stream: XdfStream) -> bool:
    """Whether a stream is one of markers, by what it says itself."""
    is_typed = _MARKER_TYPE.search(stream.type) is not None
    is_of_numbers = stream.format.startswith("float")
    return stream.n_channels == 1 and is_typed and not (is_of_numbers and stream.rate_hz)


def choose_signal(
    streams: Sequence[XdfStream], wanted: str | StreamKeys | None, file: str
) -> tuple[XdfStream, list[str]]:
    """Give the signal that is meant, and what is to be told of the choice.

    Parameters
    ----------
    streams
        All of the file.
    wanted
        Name, source id or number of the signal, or a session's keys; None where the file holds
        only one.
    file
        For messages.

    Raises
    ------
    RecordingError
        There is none, or it is not said which of several is meant.
    """
    numeric = [one for one in streams if one.format != "string" and not is_marker(one)]
    if isinstance(wanted, str):
        found = [one for one in numeric if wanted in (one.name, one.source_id, str(one.number))]
        return _the_one(found, f"signal '{wanted}'", streams, file), []
    numeric = [one for one in numeric if len(one.times)] or numeric
    if wanted is not None:
        found = [one for one in numeric if wanted.match(one)]
        if len(found) == 1:
            return found[0], []
        if not found:
            return _stand_in(numeric, wanted, streams, file)
        return _the_one(found, "signal", streams, file), []
    eeg = [one for one in numeric if one.type.casefold() == "eeg"]
    return _the_one(eeg if len(eeg) == 1 else numeric, "signal", streams, file), []


def _stand_in(
    numeric: Sequence[XdfStream], wanted: StreamKeys, streams: Sequence[XdfStream], file: str
) -> tuple[XdfStream, list[str]]:
    """Take the only signal of the type that is wanted, or the only one at all."""
    of_type = [one for one in numeric if StreamKeys(type=wanted.type).match(one)]
    found = of_type if len(of_type) == 1 else numeric
    keys = ", ".join(
        f"{key} '{value}'"
        for key in ("name", "type", "source_id", "host")
        if (value := getattr(wanted, key)) is not None
    )
    one = _the_one(found, f"signal with {keys}", streams, file)
    return one, [f"no signal with {keys}; {one.summary()} stands for it"]


def _the_one(
    found: Sequence[XdfStream], what: str, streams: Sequence[XdfStream], file: str
) -> XdfStream:
    if len(found) == 1:
        return found[0]
    listing = ", ".join(one.summary() for one in streams)
    problem = f"{len(found)} streams could be the {what}" if found else f"no {what}"
    choose = "; choose one by its name, source id or number" if len(found) > 1 else ""
    raise RecordingError(f"{file}: {problem}; found: {listing}{choose}", path=file)


def choose_markers(
    streams: Sequence[XdfStream], signal: XdfStream, wanted: str | StreamKeys | None, file: str
) -> tuple[list[XdfStream], list[str]]:
    """Give the streams of markers that are meant, and what is to be told of the choice.

    Without keys they are all that call themselves so. With a session's keys it is the one that
    matches, whatever its type and format are.
    """
    others = [one for one in streams if one is not signal]
    if wanted is None:
        return [one for one in others if is_marker(one)], []
    if isinstance(wanted, str):
        found = [one for one in others if wanted in (one.name, one.source_id, str(one.number))]
        return [_the_one(found, f"marker stream '{wanted}'", streams, file)], []
    found = [one for one in others if wanted.match(one)]
    if len(found) > 1:
        found = [one for one in found if len(one.times)] or found
    if len(found) > 1:
        _the_one(found, "marker stream", streams, file)
    if found:
        return found, []
    of_markers = [one for one in others if is_marker(one)]
    if len(of_markers) == 1:
        text = f"no marker stream as the session names it; {of_markers[0].summary()} stands for it"
        return of_markers, [text]
    if not of_markers:
        return [], ["no marker stream as the session names it"]
    return [_the_one(of_markers, "marker stream", streams, file)], []
