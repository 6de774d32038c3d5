"""Models on disk: every version of every name, each with its manifest, written whole or not at all.

    FOLDER/NAME@VERSION.json     the manifest
    FOLDER/SHA256.npz            the parameters, once however many versions share them

Writing goes by a temporary file that takes its place at once, so a crash leaves no half a model,
and several processes (the service, a calibration, the command line) may use one folder. A version
is a hash of what the model holds: adding the same content again changes nothing. Content is checked
against its hash whenever it is read. Nothing is pickled: to read a model runs nothing.

The models that ship are found beside, by the same names and in the same form; they are read-only.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from volition import extension
from volition.decoders.fitting.fitted import FittedModel, read_model, shipped_models
from volition.decoders.fitting.network import (
    Network,
    read_manifest,
    shipped_content,
    shipped_networks,
)
from volition.decoders.fitting.shipped import Shipped
from volition.errors import ConfigError, ModelError
from volition.models.check import check_content
from volition.models.manifest import (
    NAME_PATTERN,
    VERSION_PATTERN,
    Manifest,
    ModelCard,
    ModelInput,
    TrainingData,
)
from volition.models.trial import try_content

#: No larger file is taken: as base64 it fits into a request.
MOST_BYTES = 23 << 20
_MOST_MANIFEST_BYTES = 1 << 20

_FILE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})@([0-9a-f]{12})\.json")
_SHIPPED_UTC = 0.0


class NoModelError(ModelError):
    """The registry has no such model."""

    code = "no-model"


class RegistryError(ModelError):
    """The registry's folder cannot be read or written."""

    code = "registry"


class ReadOnlyModelError(ModelError):
    """It ships with Volition and can be neither changed nor removed."""

    code = "read-only-model"


class Opened(NamedTuple):
    """A model with what is known of it."""

    manifest: Manifest
    model: FittedModel | Network


class ModelRegistry:
    """The models in one folder, and those that ship.

    Parameters
    ----------
    folder
        Where they are; made when the first one is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- reading ------------------------------------------------------------------------------

    def all_versions(self) -> list[Manifest]:
        """Give every version of every model, by name, the newest version first."""
        return sorted(
            [*shipped_manifests().values(), *self._manifests("*")],
            key=lambda one: (one.name, -one.number, -one.made_utc),
        )

    def versions(self, name: str) -> list[Manifest]:
        """Give the versions of a name, the newest first.

        Raises
        ------
        NoModelError
            There is none.
        """
        # Their manifests take a while to make, the first time.
        if is_shipped(name) and name in shipped_manifests():
            return [shipped_manifests()[name]]
        found = list(self._manifests(name)) if re.fullmatch(NAME_PATTERN, name) else []
        if not found:
            known = ", ".join(sorted({one.name for one in self.all_versions()})) or "none"
            raise NoModelError(f"there is no model {name!r}; there are: {known}", found=name)
        return sorted(found, key=lambda one: (-one.number, -one.made_utc))

    def find(self, reference: str) -> Manifest:
        """Give the version that ``name@version`` names; the newest for a name alone.

        Raises
        ------
        NoModelError
            There is none.
        """
        name, at, version = reference.partition("@")
        found = self.versions(name)
        if not at:
            return found[0]
        for one in found:
            if one.version == version:
                return one
        known = ", ".join(one.version for one in found)
        raise NoModelError(
            f"the model {name!r} has no version {version!r}; it has: {known}", found=reference
        )

    def content(self, manifest: Manifest) -> bytes:
        """Give the content of a version's file.

        Raises
        ------
        RegistryError
            It cannot be read.
        ModelError
            It is not what the manifest says.
        """
        try:
            if manifest.origin == "shipped":
                content = _shipped_content(manifest)
            else:
                content = _read_plain(
                    self._content_path(manifest.sha256, manifest.format), MOST_BYTES
                )
        except OSError as error:
            raise RegistryError(f"{manifest.reference} cannot be read: {error}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != manifest.sha256:
            raise ModelError(
                f"the file of {manifest.reference} is damaged: its sha256 is {found}, the manifest "
                f"says {manifest.sha256}",
                found=found,
                expected=manifest.sha256,
            )
        return content

    def open(self, reference: str) -> Opened:
        """Read a version; see `find` and `content`."""
        manifest = self.find(reference)
        content = self.content(manifest)
        if manifest.network is not None:
            described = read_manifest(json.dumps(manifest.network), manifest.reference)
            return Opened(manifest, Network(described, content))
        return Opened(manifest, read_model(content, manifest.reference))

    # -- writing ------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        content: bytes,
        card: ModelCard,
        *,
        sha256: str | None = None,
        origin: Literal["calibration", "upload"] = "upload",
    ) -> Manifest:
        """Keep a model as the newest version of a name; all of it, or nothing of it.

        Parameters
        ----------
        name
            Lower case, digits, ``-`` and ``_``.
        content
            Content of the model's file.
        card
            What is said of it.
        sha256
            SHA-256 of the content, where its giver knows it.

        Returns
        -------
        Manifest
            Manifest of the new version, or of the one that holds the same content already.

        Raises
        ------
        ModelError
            The content is too large, not what its hash or its card says, or does not run.
        ReadOnlyModelError
            A model of this name ships.
        RegistryError
            The folder cannot be written.
        """
        self._check_name(name)
        if len(content) > MOST_BYTES:
            raise ModelError(
                f"the model is of {len(content)} bytes; at most {MOST_BYTES} are allowed",
                found=len(content),
                allowed=MOST_BYTES,
            )
        digest = hashlib.sha256(content).hexdigest()
        if sha256 is not None and sha256 != digest:
            raise ModelError(
                f"the content's sha256 is {digest}, not {sha256}: it was changed on its way",
                found=digest,
                expected=sha256,
            )
        # What was fitted here has run here; what was brought is tried apart.
        check = try_content if origin == "upload" else check_content
        version, kept_as = check(content, card, name)
        manifest = Manifest(
            **card.model_dump(),
            name=name,
            version=version,
            number=1 + max((one.number for one in self._manifests(name)), default=0),
            format=kept_as,
            sha256=digest,
            bytes=len(content),
            made_utc=time.time(),
            origin=origin,
        )
        return self._keep(manifest, content)

    def remove(self, name: str, version: str) -> None:
        """Remove a version; one that is not there is removed already.

        Raises
        ------
        ReadOnlyModelError
            It ships.
        RegistryError
            It cannot be removed.
        """
        self._check_name(name)
        if not re.fullmatch(VERSION_PATTERN, version):
            return
        gone = [one for one in self._manifests(name) if one.version == version]
        try:
            self._manifest_path(name, version).unlink(missing_ok=True)
            kept = {one.sha256 for one in self._manifests("*")}
            for one in gone:
                if one.sha256 not in kept:
                    self._content_path(one.sha256, one.format).unlink(missing_ok=True)
        except OSError as error:
            raise RegistryError(f"{name}@{version} cannot be removed: {error}") from None

    def _keep(self, manifest: Manifest, content: bytes) -> Manifest:
        """Write a version, unless it is there already."""
        for one in self._manifests(manifest.name):
            if one.version == manifest.version:
                return one
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self._content_path(manifest.sha256, manifest.format), content)
            _write(
                self._manifest_path(manifest.name, manifest.version),
                manifest.model_dump_json().encode(),
            )
        except OSError as error:
            raise RegistryError(f"{self.folder} cannot be written: {error}") from None
        return manifest

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(NAME_PATTERN, name):
            raise ConfigError(
                f"{name!r} is no name for a model; allowed: lower case, digits, - and _, at most 64"
            )
        if is_shipped(name):
            raise ReadOnlyModelError(f"the model {name!r} ships with Volition; choose another name")

    def _manifests(self, name: str) -> Iterable[Manifest]:
        try:
            paths = sorted(self.folder.glob(f"{name}@*.json"))
        except OSError as error:
            raise RegistryError(f"the models cannot be listed: {error}") from None
        for path in paths:
            # Another process may have removed it since; what is no manifest is none of ours.
            if _FILE.fullmatch(path.name):
                with contextlib.suppress(OSError, ValidationError):
                    yield Manifest.model_validate_json(_read_plain(path, _MOST_MANIFEST_BYTES))

    def _manifest_path(self, name: str, version: str) -> Path:
        return self.folder / f"{name}@{version}.json"

    def _content_path(self, digest: str, format: str) -> Path:
        return self.folder / f"{digest}.{format}"


def _read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a file of the registry; raise `OSError` where it is none, or has more bytes.

    Whoever can write into the folder could leave a pipe there that nobody fills.
    """
    without_waiting = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, os.O_RDONLY | without_waiting), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if status.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, and {most_bytes} are allowed")
        return file.read(most_bytes)


def is_shipped(name: str) -> bool:
    """Say whether a model or network of this name ships."""
    return name in shipped_models() or name in shipped_networks()


@functools.cache
def shipped_manifests() -> dict[str, Manifest]:
    """Give the manifests of the models and networks that ship, by name.

    What a plugin brings and cannot be read is left out and told (`extension.broken`).
    """
    found: dict[str, Manifest] = {}
    for make, files in ((_of_fitted, shipped_models()), (_of_network, shipped_networks())):
        for name, shipped in files.items():
            try:
                found[name] = make(name, shipped)
            except (OSError, ModelError, ValidationError) as error:
                extension.leave_out("volition.models", name, shipped.distribution, str(error))
    return found


def _of_fitted(name: str, shipped: Shipped) -> Manifest:
    content = shipped.file.read_bytes()
    model = read_model(content, name)
    settings = model.facts.get("settings")
    own_licence = "Apache-2.0" if shipped.distribution == extension.OWN else ""
    return Manifest(
        kind=model.kind,
        input=_input_of(model.facts),
        decoder=settings if isinstance(settings, dict) else None,
        licence=model.facts.get("licence", own_licence),
        note=_note(shipped, "models/fitted"),
        version=model.version,
        format="npz",
        **_shipped(name, content),
    )


def _of_network(name: str, shipped: Shipped) -> Manifest:
    network = read_manifest(shipped.file.read_bytes(), name)
    content = shipped_content(name)
    return Manifest(
        kind=network.kind,
        input=_input_of(network.facts),
        network=network.model_dump(mode="json"),
        training=TrainingData(source=network.trained_on),
        scores=network.scores,
        licence=network.licence,
        note=_note(shipped, "models/networks"),
        version=network.version,
        format="onnx",
        **_shipped(name, content),
    )


def _note(shipped: Shipped, cards: str) -> str:
    if shipped.distribution != extension.OWN:
        return f"Ships with {shipped.distribution}."
    return f"Ships with Volition; its model card is in {cards}."


def _input_of(facts: Mapping[str, Any]) -> ModelInput:
    known = {key: facts[key] for key in ("rate_hz", "n_channels") if key in facts}
    return ModelInput.model_validate(known)


def _shipped(name: str, content: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "number": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "made_utc": _SHIPPED_UTC,
        "origin": "shipped",
    }


def _shipped_content(manifest: Manifest) -> bytes:
    if manifest.format == "onnx":
        return shipped_content(manifest.name)
    return shipped_models()[manifest.name].file.read_bytes()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, whatever happens on the way."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
