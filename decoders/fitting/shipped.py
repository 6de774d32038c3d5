"""Models that ship: with Volition, and with what is installed beside it.

A package brings models by an entry point of the group ``volition.models`` that names a Python
package: its ``fitted/NAME.npz`` are fitted models, its ``networks/NAME.onnx`` with ``NAME.json``
are networks. Settings name them as they name a file's path. Volition's own come first: no plugin
takes a name from it.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import NamedTuple

from volition import extension


class Shipped(NamedTuple):
    """A file that ships, and the name of the installed package that brings it."""

    file: Traversable
    distribution: str


def shipped_files(folder: str, ending: str) -> dict[str, Shipped]:
    """Give the files of such an ending in every package's ``folder``, by name without it."""
    found: dict[str, Shipped] = {}
    for part in extension.parts("volition.models"):
        if not isinstance(part.value, ModuleType):
            error = f"{part.value!r} is no package"
            extension.leave_out("volition.models", part.name, part.distribution, error)
            continue
        place = resources.files(part.value) / folder
        if place.is_dir():
            for file in place.iterdir():
                if file.name.endswith(ending):
                    shipped = Shipped(file, part.distribution)
                    found.setdefault(file.name.removesuffix(ending), shipped)
    return {name: found[name] for name in sorted(found)}
