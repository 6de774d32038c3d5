"""No circle of imports, between modules of a room or between rooms beside each other."""

from __future__ import annotations

import itertools
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGE = "volition"


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module imports of ours, in its functions and for its types too."""
    graph = grimp.build_graph(PACKAGE)
    return {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}


def circle_in(arrows: dict[str, set[str]]) -> list[str]:
    """Give one circle, its first again at its end; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return list(reversed(found))
    return []


def between(imports: dict[str, set[str]], package: str) -> dict[str, set[str]]:
    """Give what each part of a package imports of the others; a part is a module or a package.

    What stands in a package's own ``__init__`` belongs to none of its parts.
    """
    depth = package.count(".") + 2

    def part_of(module: str) -> str | None:
        inside = module.startswith(f"{package}.")
        return ".".join(module.split(".")[:depth]) if inside else None

    arrows: dict[str, set[str]] = {}
    for importer, imported in imports.items():
        part = part_of(importer)
        if part is not None:
            arrows.setdefault(part, set()).update(
                other for one in imported if (other := part_of(one)) not in (None, part)
            )
    return arrows


def test_no_module_imports_itself_by_way_of_others(imports: dict[str, set[str]]) -> None:
    assert circle_in(imports) == []


def test_no_two_parts_of_a_package_import_each_other(imports: dict[str, set[str]]) -> None:
    packages = {name.rpartition(".")[0] for name in imports if "." in name}
    circles = {package: circle_in(between(imports, package)) for package in sorted(packages)}
    assert {package: found for package, found in circles.items() if found} == {}


def test_a_circle_is_found() -> None:
    arrows = {"p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}, "p.d": {"p.a"}}
    found = circle_in(arrows)
    assert found[0] == found[-1]
    assert {*itertools.pairwise(found)} == {("p.a", "p.b"), ("p.b", "p.c"), ("p.c", "p.a")}
