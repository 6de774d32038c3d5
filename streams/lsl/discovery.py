"""Which LSL streams there are, and what they say about themselves.

A search goes out as one query and everyone who matches answers. The short answer holds name,
type, rate and format; labels and units are in the full description, which each outlet hands out
over TCP, and the clock offset takes an exchange of packets. Both are asked of all streams at
once, in bounded time; a stream that does not answer keeps ``detailed = False``.

What others write about themselves is read whatever it is: bytes that are no UTF-8 and control
characters become the replacement character, and a description beyond all measure is left out.
"""

from __future__ import annotations

import importlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any
from xml.etree import ElementTree as ET

from volition.errors import StreamError
from volition.streams.lsl import library

DETAILS_TIMEOUT_S = 2.0
"""How long one stream may take over its full description and clock offset."""

SAME_CLOCK_S = 0.1
"""An offset up to this to a stream of this host is none: LSL's clocks count from when a machine
started, and two machines of one name did not start in the same tenth of a second."""

SETTLE_S = 0.25
"""How long `find_one` listens, after the first answer, for a second stream that also matches."""

MOST_DESCRIPTION_BYTES = 16 << 20
"""A longer description is not read: ten thousand channels need two megabytes."""

_FORMATS = ("undefined", "float32", "float64", "string", "int32", "int16", "int8", "int64")


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What is known of a stream without opening it.

    Attributes
    ----------
    name, type, source_id, host
        As the outlet gives them. Without a ``source_id`` a stream that restarts is not known
        again.
    uid
        Identifier of this life of the outlet: another after each restart.
    rate_hz
        Nominal rate; 0 for an irregular stream such as markers.
    format
        ``float32``, ``float64``, ``int8``, ``int16``, ``int32``, ``int64`` or ``string``.
    n_channels
        Number of channels.
    labels, units, kinds
        Those of each channel, as the stream writes them; empty strings where it leaves one out,
        empty tuples where it describes none, or where ``detailed`` is False.
    clock_offset_s
        What to add to the stream's times to have this host's LSL clock; None when not measured.
    created_at
        LSL time of the outlet's host at which it was made.
    detailed
        Whether the full description was fetched.
    handle
        pylsl's handle, which knows the outlet's address; only in the process that found it. None
        to search for the outlet once more where it is needed.
    """

    name: str
    type: str
    source_id: str
    host: str
    uid: str
    rate_hz: float
    format: str
    n_channels: int
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    clock_offset_s: float | None = None
    created_at: float = 0.0
    detailed: bool = False
    handle: Any = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Give the description as plain data, for JSON."""
        names = (one.name for one in fields(self))
        return {name: getattr(self, name) for name in names if name != "handle"}

    def __reduce__(self) -> tuple[Any, ...]:
        return _describe_elsewhere, (self.to_dict(),)

    def summary(self) -> str:
        """Say in a few words what it is: ``exo (EEG, 8 ch, 256 Hz)``."""
        if self.rate_hz == 0:
            return f"{self.name} ({self.type})"
        return f"{self.name} ({self.type}, {self.n_channels} ch, {self.rate_hz:g} Hz)"


def _describe_elsewhere(values: dict[str, Any]) -> StreamDescription:
    return StreamDescription(**values)


def find_streams(
    *,
    type: str | None = None,
    name: str | None = None,
    source_id: str | None = None,
    host: str | None = None,
    uid: str | None = None,
    wait_s: float = 1.0,
    details: bool = True,
    minimum: int = 0,
) -> list[StreamDescription]:
    """Find the streams that have the given type, name, source id, host and uid.

    Parameters
    ----------
    type, name, source_id, host, uid
        Each that is given must match in whole; the type may differ in capitals.
    wait_s
        How long to search.
    details
        Also fetch labels, units and clock offset, which takes up to `DETAILS_TIMEOUT_S` more.
    minimum
        Stop searching as soon as this many have answered; 0 to wait for all.

    Returns
    -------
    list of StreamDescription
        Ordered by name, source id and uid.
    """
    wanted = {"type": type, "name": name, "source_id": source_id, "host": host, "uid": uid}
    infos = _resolve(wanted, wait_s=wait_s, minimum=minimum)
    found = _with_details(infos) if details else [_describe(info) for info in infos]
    return sorted(found, key=lambda one: (one.name, one.source_id, one.uid))


def find_one(
    *,
    name: str | None = None,
    type: str | None = None,
    source_id: str | None = None,
    host: str | None = None,
    uid: str | None = None,
    wait_s: float = 1.0,
    details: bool = True,
) -> StreamDescription:
    """Find the single stream that has the given name, type, source id, host and uid.

    Parameters
    ----------
    name, type, source_id, host, uid, wait_s, details
        As in `find_streams`.

    Raises
    ------
    StreamError
        There is none, and the message lists those that there are; or there are several.
    """
    wanted = {"name": name, "type": type, "source_id": source_id, "host": host, "uid": uid}
    infos = _resolve(wanted, wait_s=wait_s, minimum=1)
    if infos:
        infos = _resolve(wanted, wait_s=SETTLE_S, minimum=0) or infos
    else:
        everyone = _resolve({}, wait_s=min(wait_s, 1.0), minimum=0)
        infos = [info for info in everyone if _is_wanted(info, wanted)]
        if not infos:
            raise _no_such_stream(wanted, wait_s, everyone)
    if len(infos) == 1:
        (one,) = _with_details(infos) if details else map(_describe, infos)
        return one
    found = [_describe(info) for info in infos]
    keys = [key for key in ("source_id", "name", "host", "uid") if _tells_apart(found, key)]
    several = ", ".join(
        f"{one.summary()} " + " ".join(f"{key} '{getattr(one, key)}'" for key in keys)
        for one in found
    )
    raise StreamError(
        f"{len(found)} streams with {_say(wanted)}: {several}; choose by "
        + (" or ".join(keys[:2]) if keys[0] != "uid" else "uid, which lasts until they restart"),
        wanted=wanted,
        found=[one.to_dict() for one in found],
    )


def _tells_apart(found: Sequence[StreamDescription], key: str) -> bool:
    """Whether a key has a value of its own for each stream."""
    values = [getattr(one, key) for one in found]
    return all(values) and len({*values}) == len(values)


def _no_such_stream(
    wanted: dict[str, str | None], wait_s: float, everyone: Sequence[Any]
) -> StreamError:
    others = sorted(map(_describe, everyone), key=lambda one: (one.name, one.source_id, one.uid))
    listing = ", ".join(one.summary() for one in others) or "none at all"
    return StreamError(
        f"no stream with {_say(wanted)} within {wait_s:g} s; found: {listing}",
        wanted=wanted,
        found=[one.to_dict() for one in others],
    )


def _say(wanted: dict[str, str | None]) -> str:
    given = (f"{key} '{value}'" for key, value in wanted.items() if value is not None)
    return " and ".join(given) or "any name"


def resolve_again(description: StreamDescription, *, wait_s: float) -> Any:
    """Find the outlet that a description speaks of and give pylsl's handle of it.

    A description that comes from another process holds no network address.
    """
    for info in _resolve({"uid": description.uid}, wait_s=wait_s, minimum=1):
        return info
    raise StreamError(
        f"stream {description.summary()} on {description.host} is gone", uid=description.uid
    )


#: What a stream calls what we call so.
_FIELDS = {"host": "hostname"}
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"


def _resolve(wanted: dict[str, str | None], *, wait_s: float, minimum: int) -> list[Any]:
    """Search by a predicate, and check the answers without it."""
    pylsl = library.in_use()
    given = {key: value for key, value in wanted.items() if value is not None}
    predicate = " and ".join(_predicate(key, value) for key, value in given.items())
    infos = pylsl.resolve_bypred(predicate or "true()", minimum, wait_s)
    return [info for info in infos if _is_wanted(info, wanted)]


def _predicate(key: str, value: str) -> str:
    if key == "type" and value.isascii():
        return f"translate(type,'{_UPPER}','{_LOWER}')={xpath_string(value.lower())}"
    return f"{_FIELDS.get(key, key)}={xpath_string(value)}"


def _is_wanted(info: Any, wanted: dict[str, str | None]) -> bool:
    for key, value in wanted.items():
        found = text_of(info, _FIELDS.get(key, key)) if value is not None else None
        if found != value and not (key == "type" and value is not None and is_type(found, value)):
            return False
    return True


def is_type(found: str | None, wanted: str) -> bool:
    """Say whether a stream's type is the one that is wanted; capitals do not matter."""
    return found is not None and found.casefold() == wanted.casefold()


#: Nothing that XML 1.0 may hold.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_CONTROL_REFERENCE = re.compile(
    "&#(x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2\\d|3[01]));", re.IGNORECASE
)


def text_of(info: Any, name: str) -> str:
    """Read a text of pylsl's handle of a stream; what is no text is replaced."""
    library_ = importlib.import_module(f"{library.load().__name__}.lib").lib
    raw: bytes = getattr(library_, f"lsl_get_{name}")(info.obj) or b""
    return clean_text(raw)


def clean_text(raw: bytes) -> str:
    """Read bytes as UTF-8; what is none, and control characters, are replaced."""
    return _CONTROL.sub("\ufffd", raw.decode("utf-8", "replace"))


def xpath_string(text: str) -> str:
    """Write any text as a string of XPath 1.0, which knows no escapes.

    A text with both kinds of quotes is put together from pieces by ``concat``. Control
    characters would end the line that carries the query.
    """
    if any(ord(character) < 0x20 for character in text):
        raise StreamError(f"{text!r} cannot be part of a search: it holds a control character")
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    pieces = ', "\'", '.join(f"'{piece}'" for piece in text.split("'"))
    return f"concat({pieces})"


def _with_details(infos: Sequence[Any]) -> list[StreamDescription]:
    if not infos:
        return []
    with ThreadPoolExecutor(max_workers=min(64, len(infos)), thread_name_prefix="lsl") as pool:
        return list(pool.map(lambda info: _ask(info, DETAILS_TIMEOUT_S), infos))


def _ask(info: Any, timeout_s: float) -> StreamDescription:
    """Ask one stream for its description and its clock; what does not come in time is left out."""
    pylsl = library.in_use()
    deadline = time.monotonic() + timeout_s
    detailed, offset, complete = info, None, False
    try:
        # Without recovery: an inlet that is torn down while it recovers can abort the process.
        inlet = pylsl.StreamInlet(info, max_buflen=1, recover=False)
        detailed = inlet.info(timeout=max(0.05, deadline - time.monotonic()))
        complete = True
        offset = clean_offset(
            inlet.time_correction(timeout=max(0.05, deadline - time.monotonic())),
            same_host=text_of(info, "hostname") == socket.gethostname(),
        )
    except RuntimeError:
        # The root of pylsl's errors: no answer in time, or the stream went away meanwhile.
        pass
    return _describe(detailed, handle=info, clock_offset_s=offset, complete=complete)


def clean_offset(offset_s: float, *, same_host: bool, uncertainty_s: float = SAME_CLOCK_S) -> float:
    """Give 0 for an offset that one and the same clock explains.

    On one host sender and receiver read the same clock: what is measured is the asymmetry of
    the exchange, on a busy machine milliseconds of it. A host of the same name with a clock of
    its own differs by far more.
    """
    bound_s = max(SAME_CLOCK_S, uncertainty_s)
    return 0.0 if same_host and abs(offset_s) <= bound_s else offset_s


def describe_in_full(
    description: StreamDescription, inlet: Any, *, timeout_s: float
) -> StreamDescription:
    """Fetch, over pylsl's inlet, the rest of a description that was found without it.

    Raises
    ------
    StreamError
        The stream is gone, or does not answer in time.
    """
    began = time.monotonic()
    try:
        info = inlet.info(timeout=timeout_s)
    except RuntimeError as error:  # the root of pylsl's errors
        waited_s = time.monotonic() - began  # less than the limit where the stream is gone
        raise StreamError(
            f"stream {description.summary()} on {description.host} did not describe its channels: "
            f"asked for {waited_s:.2g} of {timeout_s:g} s",
            uid=description.uid,
        ) from error
    return _describe(info, handle=description.handle, complete=True)


def _describe(
    info: Any,
    *,
    handle: Any = None,
    clock_offset_s: float | None = None,
    complete: bool = False,
) -> StreamDescription:
    xml = text_of(info, "xml") if complete else ""
    channels = list(_channels(xml)) if len(xml) <= MOST_DESCRIPTION_BYTES else []
    labels, units, kinds = (
        tuple(channel[key] for channel in channels) for key in ("label", "unit", "type")
    )
    return StreamDescription(
        name=text_of(info, "name"),
        type=text_of(info, "type"),
        source_id=text_of(info, "source_id"),
        host=text_of(info, "hostname"),
        uid=text_of(info, "uid"),
        rate_hz=info.nominal_srate(),
        format=_FORMATS[info.channel_format()],
        n_channels=info.channel_count(),
        labels=labels if any(labels) else (),
        units=units if any(units) else (),
        kinds=kinds if any(kinds) else (),
        clock_offset_s=clock_offset_s,
        created_at=info.created_at(),
        detailed=complete,
        handle=info if handle is None else handle,
    )


def _channels(xml: str) -> Iterator[dict[str, str]]:
    try:
        # The document was serialised by liblsl, whose parser drops document type declarations,
        # so there are no entities to expand.
        # Control characters, which liblsl passes on, are replaced.
        text = _CONTROL_REFERENCE.sub("\ufffd", xml)
        root = ET.fromstring(text)  # noqa: S314 - as the lines above say
    except (ET.ParseError, RecursionError):
        return
    for channel in root.iterfind("desc/channels/channel"):
        yield {key: (channel.findtext(key) or "").strip() for key in ("label", "unit", "type")}
