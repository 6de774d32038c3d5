"""Try what the service needs on this machine, for real, and say what to do about what fails.

Discovery is tried in processes apart: an outlet in one, a search for it in another, as a headset
and a session would be. What is tried cannot take this process down with it.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import psutil

from volition import extension
from volition.children import spawning
from volition.errors import ConfigError, VolitionError
from volition.service.gateway.auth import TokenFile, TokenFileError, default_token_path
from volition.service.gateway.bind_address import bind
from volition.service.sessions.folders import data_folder
from volition.service.sessions.kinds import broken_parts, known_kinds
from volition.streams import lsl
from volition.streams.lsl.discovery import find_streams
from volition.streams.lsl.outlet import MarkerOutlet
from volition.streams.lsl.verdict import Finding

_MIN_PYTHON, _TESTED_PYTHON = (3, 11), (3, 13)
_SEARCH_S = 3.0
_START_S = 20.0
_OTHER_LIBLSL = "look above for what liblsl says; install another pylsl or liblsl"


def examine(port: int) -> list[Finding]:
    """Try everything; what builds on something that failed is not tried."""
    findings = [_volition(), _python(), *_installed(), _data(), _tokens(), _liblsl(), _lsl_config()]
    if all(finding.ok for finding in findings[-2:]):
        findings.append(_discovery())
    findings.append(_port(port))
    return findings


def _volition() -> Finding:
    return Finding("Volition", True, metadata.version("volition"))


def _data() -> Finding:
    folder = data_folder()
    # What is not there yet is made where something is to be kept.
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if os.access(there, os.W_OK):
        return Finding("data folder", True, str(folder))
    return Finding(
        "data folder", False, f"{folder} cannot be written", "name another in VOLITION_DATA"
    )


def _tokens() -> Finding:
    path = default_token_path()
    try:
        n = len(TokenFile(path).read())
    except TokenFileError as error:
        return Finding("tokens", False, str(path), error.message)
    return Finding("tokens", True, f"{n} in {path}")


def _lsl_config() -> Finding:
    named = os.environ.get("LSLAPICFG")
    if named and not Path(named).is_file():
        return Finding(
            "lsl_api.cfg",
            False,
            f"LSLAPICFG names {named}, which is not there, and liblsl says nothing of it",
            f"write it: volition doctor --write-lsl-config {named}",
        )
    usual = (
        Path("lsl_api.cfg"),
        Path.home() / "lsl_api/lsl_api.cfg",
        Path("/etc/lsl_api/lsl_api.cfg"),
    )
    used = [Path(named)] if named else [path for path in usual if path.is_file()]
    return Finding("lsl_api.cfg", True, str(used[0]) if used else "none: LSL's own settings")


def write_lsl_config(path: Path) -> None:
    """Write an ``lsl_api.cfg`` with which streams of this machine are found.

    Where the machine has no network but loopback, searches go over loopback alone.

    Raises
    ------
    ConfigError
        There is a file already, or it cannot be written.
    """
    alone = all(
        address.family != socket.AF_INET or address.address.startswith("127.")
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
    )
    text = lsl.settings_text(
        scope="machine" if alone else "site", known_peers=("127.0.0.1",), loopback_only=alone
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; remove it, or name another file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] < _MIN_PYTHON:
        return Finding("Python", False, found, "install Python 3.11 or newer")
    if sys.version_info[:2] > _TESTED_PYTHON:
        found += " (newer than what was tested, 3.13)"
    return Finding("Python", True, found)


def _installed() -> list[Finding]:
    """Name what other packages add, if anything, and which installed parts fail."""
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
        "have every LSL program ask this machine by name: volition doctor --write-lsl-config "
        "FILE, then LSLAPICFG=FILE for each (it sets KnownPeers = {127.0.0.1} and SessionID = "
        "default under [lab])",
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
