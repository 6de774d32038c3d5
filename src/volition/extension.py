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
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args

from volition.errors import InstallationError

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
#: Behind its full stop; that of "et al." ends none.
_SENTENCE_END = re.compile(r"(?<=\.)(?<!et al\.)\s+(?=[A-Z`])")
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


#: In the order in which they were found; a dictionary for its keys alone.
_broken: dict[Broken, None] = {}


@functools.cache
def parts(group: Group) -> tuple[Part, ...]:
    """Give what is installed of a group: Volition's own first, then by distribution and name.

    Raises
    ------
    InstallationError
        Volition's own are not there: what is installed is older than the code, or nothing is.
    """
    found = []
    points = [(_distribution(point), point) for point in metadata.entry_points(group=group)]
    if all(distribution != OWN for distribution, _ in points):
        raise InstallationError(
            f"Volition's own parts of the group {group} are not installed: what is installed is "
            "older than this code, or nothing is. Install it again: 'make venv' in a checkout, "
            "else 'pip install --force-reinstall' of the wheel",
            group=group,
        )
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
    return _found(group, lambda value: _classes_of(value, base))


def classes_by_kind(group: Group, base: type[Any]) -> dict[str, Any]:
    """Give the classes of a group by the ``kind`` of their ``settings_model``.

    A class without settings of its own is a base that others share. One whose settings cannot be
    used, or whose kind is taken already, is left out and told.
    """
    return {kind: cls for kind, (_, cls) in kinds(group, base).items()}


def kinds(group: Group, base: type[Any] = object) -> dict[str, tuple[Part, Any]]:
    """Give the same with the part that brings each class."""
    found: dict[str, tuple[Part, Any]] = {}
    for part, cls in classes(group, base):
        if not hasattr(cls, "settings_model") or any(cls is one for _, one in found.values()):
            continue
        fault = _fault_of(cls, theirs=part.distribution != OWN)
        if not fault and kind_of(cls) in found:
            fault = f"is of the kind {kind_of(cls)!r}, as {_name_of(found[kind_of(cls)][1])} is"
        if fault:
            leave_out(group, part.name, part.distribution, f"{_name_of(cls)} {fault}")
        else:
            found[kind_of(cls)] = part, cls
    return found


def kind_of(cls: Any) -> str:
    """Give what a configuration names a class by: the ``kind`` of its settings."""
    kind: str = cls.settings_model.model_fields["kind"].default
    return kind


def _fault_of(cls: Any, *, theirs: bool) -> str:
    """Say what is wrong with the settings of a class; empty where nothing is."""
    field = getattr(cls.settings_model, "model_fields", {}).get("kind")
    if field is None or get_args(field.annotation) != (field.default,):
        return 'has settings without a kind: Literal["..."] that is its own default'
    try:
        if theirs:  # a union with one that cannot be told in JSON could not be told either
            cls.settings_model.model_json_schema()
    except Exception as error:  # noqa: BLE001 - another's code may raise anything
        return f"has settings that cannot be told in JSON: {type(error).__name__}: {error}"
    return ""


def _name_of(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def instances(group: Group, kind: type[T]) -> Iterator[tuple[Part, T]]:
    """Give the instances of a class that a group's parts bring.

    A part names the instance itself, or a module or package in and below which each public one
    counts.
    """
    return _found(group, lambda value: _instances_of(value, kind))


def leave_out(group: Group, name: str, distribution: str, error: str) -> None:
    """Note that a part cannot be used."""
    _broken[Broken(group, name, distribution, error)] = None


def broken() -> tuple[Broken, ...]:
    """Give the parts that could not be used, of the groups that were asked for so far."""
    return tuple(_broken)


def summary(value: Any) -> str:
    """Give the first sentence of a part's own docstring; empty where it has none."""
    paragraph = (inspect.cleandoc(value.__doc__) if value.__doc__ else "").partition("\n\n")[0]
    return _SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]


def _distribution(point: metadata.EntryPoint) -> str:
    # One whose metadata are damaged has no name.
    name: str | None = None if point.dist is None else point.dist.metadata["Name"]
    return name or "?"


def _found(group: Group, look: Callable[[Any], Iterator[T]]) -> Iterator[tuple[Part, T]]:
    """Give what ``look`` finds in each part of a group; a part in which it fails is left out."""
    for part in parts(group):
        try:
            found = list(look(part.value))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code may raise anything
            leave_out(group, part.name, part.distribution, f"{type(error).__name__}: {error}")
            continue
        for one in found:
            yield part, one


def _classes_of(value: Any, base: type[T]) -> Iterator[type[T]]:
    if not isinstance(value, ModuleType):
        if not (inspect.isclass(value) and issubclass(value, base)) or inspect.isabstract(value):
            raise TypeError(f"{value!r} is no {base.__name__} that can be made")
        yield value
        return
    for module in _modules(value):
        for _, found in inspect.getmembers(module, inspect.isclass):
            is_here = found.__module__ == module.__name__
            if is_here and issubclass(found, base) and not inspect.isabstract(found):
                yield found


def _instances_of(value: Any, kind: type[T]) -> Iterator[T]:
    if not isinstance(value, ModuleType):
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        yield value
        return
    seen: set[int] = set()  # a package may show again what one of its modules makes
    for module in _modules(value):
        for name, found in vars(module).items():
            if isinstance(found, kind) and not name.startswith("_") and id(found) not in seen:
                seen.add(id(found))
                yield found


def _modules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
        if not info.name.endswith(".__main__"):  # a program: to import it would run it
            yield import_module(info.name)
