"""What is installed beside Volition and adds to it, and Volition's own parts, found the same way.

A package adds a stage, a decoder, models, an output, a data set or a command by an entry point in
one of `GROUPS`: whoever uses such parts asks for their group here. Only what the user has installed
is ever loaded; no configuration can name code. A part that cannot be loaded is left out and told
(`broken`), so that a faulty plugin keeps nothing else from working.
"""

from __future__ import annotations

import functools
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args

T = TypeVar("T")

Group = Literal[
    "volition.stages",
    "volition.decoders",
    "volition.models",
    "volition.outputs",
    "volition.datasets",
    "volition.commands",
]
GROUPS: tuple[Group, ...] = get_args(Group)
OWN = "volition"
"""The distribution whose parts come first: no plugin takes a name from it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One entry point, loaded.

    Attributes
    ----------
    name
        As the entry point is called.
    distribution
        Name of the installed package that brings it.
    value
        What it names: a class, a function or a module.
    """

    name: str
    distribution: str
    value: Any


@dataclass(frozen=True, slots=True)
class Broken:
    """One entry point that could not be used, and why."""

    group: Group
    name: str
    distribution: str
    error: str

    def __str__(self) -> str:
        return f"{self.distribution} adds {self.name} to {self.group}, which fails: {self.error}"


_broken: dict[tuple[Group, str, str], Broken] = {}


@functools.cache
def parts(group: Group) -> tuple[Part, ...]:
    """Give what is installed of a group: Volition's own first, then by distribution and name."""
    found = []
    points = [
        (point.dist.name if point.dist is not None else "?", point)
        for point in metadata.entry_points(group=group)
    ]
    for distribution, point in sorted(points, key=lambda one: (one[0] != OWN, one[0], one[1].name)):
        try:
            found.append(Part(point.name, distribution, point.load()))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code may raise anything
            leave_out(group, point.name, distribution, f"{type(error).__name__}: {error}")
    return tuple(found)


def classes(group: Group, base: type[T]) -> Iterator[tuple[Part, type[T]]]:
    """Give the concrete classes of a kind that a group's parts bring.

    A part names the class itself, or a module or package in and below which each such class counts.
    """
    for part in parts(group):
        try:
            found = list(_classes_of(part.value, base))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code may raise anything
            leave_out(group, part.name, part.distribution, f"{type(error).__name__}: {error}")
            continue
        for one in found:
            yield part, one


def classes_by_kind(group: Group, base: type[Any]) -> dict[str, Any]:
    """Give the concrete classes of a group by the ``kind`` of their ``settings_model``.

    A class without settings of its own is a base that others share. One that names no kind, or one
    that is taken already, is left out.
    """
    found: dict[str, Any] = {}
    for part, cls in classes(group, base):
        settings_model = getattr(cls, "settings_model", None)
        if settings_model is None:
            continue
        kind = getattr(settings_model.model_fields.get("kind"), "default", None)
        if isinstance(kind, str) and kind not in found:
            found[kind] = cls
            continue
        name = f"{cls.__module__}.{cls.__name__}"
        error = (
            f"{name} is named {kind!r}, as {found[kind]} is"
            if kind in found
            else f"the settings of {name} have no literal kind with a default"
        )
        leave_out(group, part.name, part.distribution, error)
    return found


def instances(group: Group, kind: type[T]) -> Iterator[tuple[Part, T]]:
    """Give the instances of a class that a group's parts bring.

    A part names the instance itself, or a module or package in and below which each public one
    counts.
    """
    for part in parts(group):
        try:
            found = list(_instances_of(part.value, kind))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code may raise anything
            leave_out(group, part.name, part.distribution, f"{type(error).__name__}: {error}")
            continue
        for one in found:
            yield part, one


def leave_out(group: Group, name: str, distribution: str, error: str) -> None:
    """Note that a part cannot be used."""
    _broken[group, name, distribution] = Broken(group, name, distribution, error)


def broken() -> tuple[Broken, ...]:
    """Give the parts that could not be used, of the groups that were asked for so far."""
    return tuple(_broken.values())


def _classes_of(value: Any, base: type[T]) -> Iterator[type[T]]:
    if not isinstance(value, ModuleType):
        if not (inspect.isclass(value) and issubclass(value, base)):
            raise TypeError(f"{value!r} is no {base.__name__}")
        yield value
        return
    for module in _modules(value):
        for _, found in inspect.getmembers(module, inspect.isclass):
            is_here = found.__module__ == module.__name__
            if is_here and issubclass(found, base) and not inspect.isabstract(found):
                yield found


def _instances_of(value: Any, kind: type[T]) -> Iterator[T]:
    if isinstance(value, kind):
        yield value
        return
    if not isinstance(value, ModuleType):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    seen: set[int] = set()  # a package may show again what one of its modules makes
    for module in _modules(value):
        for name, found in vars(module).items():
            if isinstance(found, kind) and not name.startswith("_") and id(found) not in seen:
                seen.add(id(found))
                yield found


def _modules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
        yield import_module(info.name)
