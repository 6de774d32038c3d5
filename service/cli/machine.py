"""Try what the service needs on this machine, for real, and say what to do about what fails.

Discovery is tried in processes apart: an outlet in one, a search for it in another, as a headset
and a session would be. What is tried cannot take this process down with it.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

from volition import extension
from volition.children import spawning
from volition.errors import VolitionError
from volition.service.gateway.bind_address import bind
from volition.service.sessions.kinds import broken_parts, known_kinds
from volition.streams import lsl
from volition.streams.lsl.discovery import find_streams
from volition.streams.lsl.outlet import MarkerOutlet

_MIN_PYTHON, _TESTED_PYTHON = (3, 11), (3, 13)
_SEARCH_S = 3.0
_START_S = 20.0
_OTHER_LIBLSL = "look above for what liblsl says; install another pylsl or liblsl"


@dataclass(frozen=True)
class Finding:
    """One thing that was tried."""

    check: str
    ok: bool
    found: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(port: int) -> list[Finding]:
    """Try everything; what builds on something that failed is not tried."""
    findings = [_python(), *_installed(), _liblsl()]
    if findings[-1].ok:
        findings.append(_discovery())
    findings.append(_port(port))
    return findings


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] < _MIN_PYTHON:
        return Finding("Python", False, found, "install Python 3.11 or newer")
    if sys.version_info[:2] > _TESTED_PYTHON:
        found += " (newer than what was tested, 3.13)"
    return Finding("Python", True, found)


def _installed() -> list[Finding]:
    """Name what other packages add, if anything, and what of all that is installed fails."""
    added = {one.distribution for one in known_kinds()} - {extension.OWN}
    found = [Finding("added", True, ", ".join(sorted(added)))] if added else []
    return found + [
        Finding("added", False, str(one), f"mend or uninstall {one.distribution}")
        for one in broken_parts()
    ]


def _liblsl() -> Finding:
    try:
        pylsl = lsl.load()
    except VolitionError as error:
        return Finding("liblsl", False, "not there", error.message)
    version = pylsl.library_version()
    return Finding("liblsl", True, f"{version // 100}.{version % 100:02d} (pylsl)")


def _discovery() -> Finding:
    source_id = f"volition-doctor-{uuid4().hex}"
    ours, theirs = spawning.Pipe()
    outlet = spawning.Process(target=_offer, args=(source_id, theirs), daemon=True)
    try:
        outlet.start()
        theirs.close()
        found = ours.poll(_START_S) and ours.recv() and _search_apart(source_id)
    except (EOFError, OSError) as error:
        return Finding("discovery", False, f"the trial could not run: {error!r}", _OTHER_LIBLSL)
    finally:
        ours.close()  # the outlet ends with it
        outlet.join(_START_S)
    if found:
        return Finding("discovery", True, "a stream of this machine was found")
    return Finding(
        "discovery",
        False,
        f"a stream of this machine was not found within {_SEARCH_S:g} s",
        "allow multicast on the loopback interface and UDP 16571-16604 through the firewall, or "
        "set KnownPeers = {127.0.0.1} under [lab] in lsl_api.cfg",
    )


def _search_apart(source_id: str) -> bool:
    ours, theirs = spawning.Pipe()
    search = spawning.Process(target=_search, args=(source_id, theirs), daemon=True)
    search.start()
    theirs.close()
    found = bool(ours.poll(_START_S + _SEARCH_S) and ours.recv())
    search.join(_START_S)
    return found


def _offer(source_id: str, pipe: Connection) -> None:
    with MarkerOutlet("VolitionDoctor", source_id):
        pipe.send(True)
        pipe.poll(_START_S + 2 * _SEARCH_S)


def _search(source_id: str, pipe: Connection) -> None:
    found = find_streams(source_id=source_id, wait_s=_SEARCH_S, minimum=1, details=False)
    pipe.send(bool(found))


def _port(port: int) -> Finding:
    try:
        bind("127.0.0.1", port).close()
    except VolitionError as error:
        return Finding(f"port {port}", False, "taken", error.message)
    return Finding(f"port {port}", True, "free")
