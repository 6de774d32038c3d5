"""One row for each thing that a hostile program does: what held, in figures, and whether it did."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.exceptions import WebSocketException

from volition.benchmarks.faults.hostile import kept, limits, others, stops
from volition.benchmarks.faults.injection.scene import Scene
from volition.errors import VolitionError
from volition.service.gateway.launch import running_service

Row = Callable[[Scene, int], dict[str, Any]]
"""Measures one row with a service of its own; gives ``ok`` and its figures."""

ROWS: dict[str, tuple[str, Row]] = {**stops.ROWS, **others.ROWS, **kept.ROWS, **limits.ROWS}
"""Every row by its key: what it is, in words, and what measures it."""


_MOST_CHARS = 500


def run_hostile(
    keys: Sequence[str] | None = None,
    *,
    presses: int = 100,
    on_row: Callable[[dict[str, Any]], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Measure rows, one after another.

    Parameters
    ----------
    keys
        Of `ROWS`; all when left out.
    presses
        How often each row does what it measures.
    on_row
        Is given each row as it is ready.
    """
    rows = []
    for key in ROWS if keys is None else keys:
        row = _measured(key, presses)
        on_row(row)
        rows.append(row)
    return rows


def _measured(key: str, presses: int) -> dict[str, Any]:
    what, measure = ROWS[key]
    row: dict[str, Any] = {"key": key, "what": what, "ok": False, "error": ""}
    with serving() as scene:
        try:
            row |= measure(scene, presses)
        except (VolitionError, OSError, psutil.Error, httpx.HTTPError, WebSocketException) as error:
            last = (scene.folder / "service.log").read_text("utf-8").splitlines()[-1:]
            row["error"] = f"{type(error).__name__}: {error}; log: {''.join(last)[-_MOST_CHARS:]}"
    return row


@contextlib.contextmanager
def serving() -> Iterator[Scene]:
    """Run a service whose data lie in a folder of its own, while the block lasts."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="volition-"))
        # This process writes the stop words of a service that hangs: both use one folder.
        stack.enter_context(_data_in(folder))
        log = stack.enter_context((Path(folder) / "service.log").open("w"))
        service = stack.enter_context(running_service(stderr=log))
        yield Scene(service, stack, Path(folder))


@contextlib.contextmanager
def _data_in(folder: str) -> Iterator[None]:
    before = os.environ.get("VOLITION_DATA")
    os.environ["VOLITION_DATA"] = folder
    try:
        yield
    finally:
        del os.environ["VOLITION_DATA"]
        if before is not None:
            os.environ["VOLITION_DATA"] = before
