"""What hatchling runs to build: see that the rooms are there, have the pages built.

In a checkout whose links are not links, loading the package says what to do.
"""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent / "volition"


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_load(PACKAGE / "__init__.py")
PagesHook = _load(PACKAGE / "service" / "web" / "build.py").PagesHook
