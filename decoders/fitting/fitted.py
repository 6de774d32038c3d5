"""What a decoder has learned: arrays and facts, kept as data and never as code.

A `FittedModel` is named arrays and a manifest of plain JSON. On disk it is one ``.npz`` file: the
arrays, and the manifest as the text of the member ``manifest``. Nothing in it is pickled, so
reading a model never runs anything. Its version is a hash of what it holds: equal fits have equal
versions wherever they are kept.

A session names its model in the decoder's setting ``model``: the path of such a file, or the name
of one that ships (`volition.decoders.fitting.shipped`). The file is read once, in ``prepare``.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.decoders.contract.settings import may_be_file
from volition.decoders.fitting.shipped import Shipped, shipped_files
from volition.errors import ConfigError, ModelError

FORMAT = 1
"""Version of the file's layout; a reader refuses what it does not know."""

#: A file that unpacks to more is no model: its arrays would fill the memory.
MOST_UNPACKED_BYTES = 1 << 30

_MANIFEST = "manifest"
#: What zipfile and numpy raise for what is none of theirs, or is damaged.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)
_PLAIN_KINDS = "fiub"  # dtypes that are numbers or truth values

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """What a fit gave.

    Attributes
    ----------
    kind
        Kind of the decoder that it was fitted for.
    arrays
        The parameters, each an array of numbers.
    facts
        Plain JSON: the settings of the fit, what it was fitted on, scores.
    """

    kind: str
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind not in _PLAIN_KINDS or name == _MANIFEST:
                raise ModelError(
                    f"a model's array {name!r} of dtype {array.dtype} cannot be kept; arrays hold "
                    f"numbers, and none is named {_MANIFEST!r}",
                    array=name,
                )

    @functools.cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that name exactly this content."""
        digest = hashlib.sha256(self.manifest().encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:12]

    def manifest(self) -> str:
        """Give the manifest as JSON text, the same for the same content."""
        content = {"format": FORMAT, "kind": self.kind, "facts": dict(self.facts)}
        return json.dumps(content, sort_keys=True, allow_nan=False)

    def save(self, path: Path | str) -> Path:
        """Write the model as ``path``, which is given the ending ``.npz`` where it has none.

        Raises
        ------
        ModelError
            The file cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            path = path.with_name(path.name + ".npz")
        try:
            path.write_bytes(self.to_bytes(compressed=True))
        except OSError as error:
            raise ModelError(f"the model cannot be written to {path}: {error}") from None
        return path

    def to_bytes(self, *, compressed: bool = False) -> bytes:
        """Give the content of the model's file; the same for the same model.

        Parameters
        ----------
        compressed
            Smaller, and some ten times slower to read.
        """
        content: dict[str, Any] = {_MANIFEST: np.array(self.manifest()), **self.arrays}
        file = io.BytesIO()
        (np.savez_compressed if compressed else np.savez)(file, **content)
        return file.getvalue()


def load_model(name: str | Path) -> FittedModel:
    """Read a model by the path of its file or by the name of one that ships.

    A path is a `Path` or a setting's `FileName`; a plain text names what ships.

    Raises
    ------
    ModelError
        There is no such file, or it is not a model.
    """
    path: Traversable = Path(name)
    if not (may_be_file(name) and path.is_file()):
        shipped = shipped_models()
        if str(name) not in shipped:
            raise ModelError(
                f"no model file {name}, and no shipped model of that name; shipped: "
                f"{', '.join(shipped) or 'none'}",
                found=str(name),
                shipped=sorted(shipped),
            )
        path = shipped[str(name)].file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{name} is not a model file: {error}", found=str(name)) from None
    return read_model(content, str(name))


def read_model(content: bytes, source: str) -> FittedModel:
    """Read a model from the content of its file; ``source`` names it in errors.

    Raises
    ------
    ModelError
        It is not a model, or would unpack to more than `MOST_UNPACKED_BYTES`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
        if n_bytes > MOST_UNPACKED_BYTES:
            raise ModelError(
                f"{source} would unpack to {n_bytes} bytes; at most {MOST_UNPACKED_BYTES} are "
                "allowed",
                found=n_bytes,
                allowed=MOST_UNPACKED_BYTES,
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
            arrays = {key: loaded[key] for key in loaded.files}
    except _UNREADABLE as error:
        raise ModelError(f"{source} is not a model file: {error}", found=source) from None
    return _from_arrays(arrays, source)


def shipped_models() -> dict[str, Shipped]:
    """Give the models that ship, by name."""
    return shipped_files("fitted", ".npz")


def _from_arrays(arrays: dict[str, Array], source: str) -> FittedModel:
    text = arrays.pop(_MANIFEST, None)
    if text is None or text.dtype.kind != "U":
        raise ModelError(f"{source} is not a model file: it holds no text named {_MANIFEST!r}")
    try:
        manifest = json.loads(str(text))
    except ValueError as error:
        raise ModelError(f"the manifest of {source} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(
            f"the manifest of {source} is not of format {FORMAT}, the one that is read here"
        )
    kind, facts = manifest.get("kind"), manifest.get("facts")
    if not isinstance(kind, str) or not isinstance(facts, dict):
        raise ModelError(f"the manifest of {source} needs a kind (text) and facts (a mapping)")
    return FittedModel(kind, arrays, facts)


def check_fitted_for(kind: str, facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a model, by the ``facts`` of its manifest, was fitted for what is ``wanted``.

    Raises
    ------
    ConfigError
        It was fitted for something else.
    """
    for name, value in wanted.items():
        fitted = facts.get(name)
        if fitted != value:
            raise ConfigError(
                f"{kind}: the model was fitted for {name} {fitted}; found {value}",
                setting=name,
                found=value,
                allowed=fitted,
            )
