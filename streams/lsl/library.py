"""The one door to LSL: pylsl is loaded here, when it is first needed, and its settings are written.

liblsl reads its settings once, from the file that ``LSLAPICFG`` names, when the first outlet,
inlet or search is made; ``configure`` therefore comes before those. Nothing in this package
imports pylsl when it is imported itself, so that recordings and decoders work without it.

What decides whether all outlets of one machine are found: within scope ``machine`` liblsl asks
127.0.0.1 at one UDP port that every outlet shares, and the kernel hands such a packet to a single
one of them (sccn/liblsl#92). Since 1.18 liblsl also asks every port of its range in turn, half a
second later and only as far as the range goes, 32 ports by default. A multicast group on the
loopback interface reaches each outlet at once, however many there are, in about a millisecond;
known peers are the second way, where multicast is filtered.

A search that ends at the very moment at which liblsl asks its known peers (every few tenths of a
second) does not end: the question is asked all the same, and waits for answers for five seconds.
The settings written here make that half a second, and searches last what no wave does.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from volition.errors import ConfigError, LslMissingError, StreamError

Scope = Literal["machine", "link", "site", "organization", "global"]
SCOPES: tuple[Scope, ...] = ("machine", "link", "site", "organization", "global")

LIBLSL_LOST = -2
"""liblsl's error code for a stream that is gone."""

_CONFIG_NAME = "lsl_api.cfg"
_ENVIRONMENT_KEY = "LSLAPICFG"


@functools.cache
def load() -> ModuleType:
    """Import pylsl and with it liblsl.

    Raises
    ------
    LslMissingError
        pylsl is not installed, or it finds no liblsl; the message says how to mend it.
    """
    try:
        return importlib.import_module("pylsl")
    except ModuleNotFoundError as error:
        raise LslMissingError(
            "LSL is not available: the Python package pylsl is not installed. Install it with "
            "'pip install pylsl' (1.18 or newer carries liblsl for Linux, macOS and Windows)."
        ) from error
    except (RuntimeError, OSError, AttributeError) as error:
        # pylsl raises RuntimeError when it finds no library, and AttributeError for one that
        # lacks functions, as liblsl before 1.16 does.
        raise LslMissingError(
            "LSL is not available: pylsl is installed but its library liblsl cannot be loaded "
            f"({str(error).splitlines()[0]}). Install pylsl 1.18 or newer, which carries it, or "
            "install the liblsl package of your system or of conda-forge, or set PYLSL_LIB to "
            "the path of liblsl.so, liblsl.dylib or lsl.dll."
        ) from error


@dataclass(frozen=True)
class LibraryCalls:
    """The calls of liblsl that move samples, without pylsl's conversions around them.

    Each releases the interpreter's lock while it runs. Lengths count values, not samples.
    """

    pull_chunk: Callable[..., int]
    samples_available: Callable[..., int]
    time_correction: Callable[..., float]
    push_chunk_float32: Callable[..., int]
    push_chunk_float64: Callable[..., int]


@functools.cache
def library_calls() -> LibraryCalls:
    """Give typed entry points into the library that pylsl has loaded."""
    library = importlib.import_module(f"{load().__name__}.lib").lib
    handle, pointer, size = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong
    number, code = ctypes.c_double, ctypes.POINTER(ctypes.c_int32)

    def call(name: str, result: Any, *arguments: Any) -> Any:
        return ctypes.CFUNCTYPE(result, *arguments)((name, library))

    push = (handle, pointer, size, pointer, ctypes.c_int32)
    return LibraryCalls(
        pull_chunk=call(
            "lsl_pull_chunk_d", size, handle, pointer, pointer, size, size, number, code
        ),
        samples_available=call("lsl_samples_available", ctypes.c_uint32, handle),
        time_correction=call(
            "lsl_time_correction_ex",
            number,
            handle,
            ctypes.POINTER(number),
            ctypes.POINTER(number),
            number,
            code,
        ),
        push_chunk_float32=call("lsl_push_chunk_ftnp", ctypes.c_int32, *push),
        push_chunk_float64=call("lsl_push_chunk_dtnp", ctypes.c_int32, *push),
    )


@functools.cache
def in_use() -> ModuleType:
    """Load pylsl for a call that makes liblsl read its settings."""
    return load()


def settings_text(
    *,
    scope: Scope = "site",
    known_peers: Sequence[str] = (),
    session_id: str = "default",
    loopback_only: bool = False,
    port_range: int = 128,
) -> str:
    """Write the contents of an ``lsl_api.cfg``.

    Parameters
    ----------
    scope
        How far a search goes: this machine, the link, the site (LSL's own default), ...
    known_peers
        Hosts to ask one by one, for networks that filter multicast.
    session_id
        Streams of another LSL session id are neither found nor disturbed.
    loopback_only
        Search over the loopback interface alone, with short waits.
    port_range
        Ports from 16572 on that outlets take, one or two each. LSL's default of 32 is too few
        for a machine with more streams than that: those beyond it get a random port, where known
        peers are not asked. Hosts that are each other's known peers need the same range.
    """
    if scope not in SCOPES:
        raise ConfigError(
            f"no LSL scope '{scope}'; allowed: {', '.join(SCOPES)}", found=scope, allowed=SCOPES
        )
    for value in (*known_peers, session_id):
        if not value or any(character in value for character in "\r\n{},;'\"="):
            raise ConfigError(f"{value!r} cannot be a host name or LSL session id", found=value)
    multicast = [f"ResolveScope = {scope}"]
    if scope == "machine":
        multicast.append("MachineAddresses = {224.0.0.183}")
    # liblsl waits for stragglers for five seconds, also after the search has ended: see above.
    tuning = ["UnicastMaxRTT = 0.5"]
    if loopback_only:
        multicast.append("Interfaces = {127.0.0.1}")
        # Over loopback a reply takes microseconds: the unicast wave need not wait half a second
        # for multicast, nor a clock estimate take two thirds of one.
        tuning += [
            "MulticastMinRTT = 0.1",
            "UnicastMinRTT = 0.1",
            "TimeProbeInterval = 0.008",
            "TimeProbeMaxRTT = 0.05",
            # On a busy machine most probes of a volley may be late. One is enough to tell that both
            # ends read one clock, and a volley that told nothing is repeated after a second.
            "TimeUpdateMinProbes = 1",
            "TimeUpdateInterval = 1.0",
        ]
    sections = {
        "ports": [f"PortRange = {port_range}", *(["IPv6 = disable"] if loopback_only else [])],
        "multicast": multicast,
        "lab": [f"KnownPeers = {{{', '.join(known_peers)}}}", f"SessionID = {session_id}"],
        "tuning": tuning,
        # -2 lets errors through to the standard error output, -3 only what ends the process. That
        # a stream of the demonstration or of a test ended is no news.
        "log": [f"level = {-3 if loopback_only else -2}"],
    }
    return "\n".join(
        f"[{title}]\n" + "".join(f"{line}\n" for line in lines) for title, lines in sections.items()
    )


def configure(
    folder: Path,
    *,
    scope: Scope = "site",
    known_peers: Sequence[str] = (),
    session_id: str = "default",
    loopback_only: bool = False,
    port_range: int = 128,
) -> Path:
    """Write an ``lsl_api.cfg`` into a folder and make this process and its children use it.

    Parameters
    ----------
    folder
        An existing folder; the file must outlive the processes that are started from here.
    scope, known_peers, session_id, loopback_only, port_range
        As in `settings_text`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ConfigError
        A setting that liblsl would not understand.
    StreamError
        LSL is in use in this process already, and would go on with its old settings.
    """
    text = settings_text(
        scope=scope,
        known_peers=known_peers,
        session_id=session_id,
        loopback_only=loopback_only,
        port_range=port_range,
    )
    if in_use.cache_info().currsize:
        raise StreamError(
            "LSL is in use in this process and keeps its settings; configure it before the first "
            "search, inlet or outlet"
        )
    path = folder.resolve() / _CONFIG_NAME
    path.write_text(text, encoding="utf-8")
    os.environ[_ENVIRONMENT_KEY] = str(path)
    return path


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Keep the streams of this process and its children to themselves while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="volition-lsl-") as folder:
        loopback_config(Path(folder))
        yield


def loopback_config(folder: Path, *, session_id: str | None = None) -> Path:
    """Keep LSL to this machine, and to processes started from here.

    For the demonstration and the tests: streams are found over the loopback interface alone, and
    an LSL session id of this process keeps others' streams out.
    """
    return configure(
        folder,
        scope="machine",
        known_peers=("127.0.0.1",),
        session_id=session_id or f"volition-{os.getpid()}",
        loopback_only=True,
    )
