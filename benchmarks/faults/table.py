"""One row for each fault: made for real, with real processes, and judged from outside.

A row is ``ok`` when the service did not crash, when what happened was visible within a second, when
the session was back within two of the fault's end, when nothing was acted on past its time to live,
and when every sample is accounted for; which of these apply follows from the fault. All rows share
one service, but for those that end it or start it otherwise, and several run at a time, as sessions
do. The faults themselves are in `volition.benchmarks.faults.injection`.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.exceptions import WebSocketException

from volition.benchmarks.faults.injection import client, recording, service, signal, stream, worker
from volition.benchmarks.faults.injection.scene import (
    RECOVERED_S,
    VISIBLE_S,
    WINDOW_S,
    Figures,
    Scene,
)
from volition.benchmarks.faults.injection.witness import BrokenError
from volition.errors import VolitionError
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service

Fault = Callable[[Scene], None]

FAULTS: dict[str, Fault] = {
    f"{module.__name__.rpartition('.')[2]}.{fault.__name__}": fault
    for module in (stream, signal, worker, recording, client, service)
    for fault in module.FAULTS
}
"""Every fault by its key, in the order of the table."""

#: Folders of a run are of no interest after it.
_TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"[\\/]volition-\w+")

_COLUMNS = ("what happens", "ok", "told after", "back after", "lost / counted", "acts / stale", "")


def run_faults(
    keys: Sequence[str] | None = None,
    *,
    jobs: int = 3,
    on_row: Callable[[dict[str, Any]], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Inject faults; give their rows, in the order of the table.

    Parameters
    ----------
    keys
        Of `FAULTS`; all when left out.
    jobs
        How many run at a time.
    on_row
        Is given each row as it is ready.
    """
    chosen = list(FAULTS) if keys is None else list(keys)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volition-")))
        shared = stack.enter_context(running_service(env={"VOLITION_DATA": str(folder)}))
        pool = stack.enter_context(ThreadPoolExecutor(jobs, thread_name_prefix="row"))

        def run(key: str) -> dict[str, Any]:
            row = _run(key, shared)
            on_row(row)
            return row

        together = [key for key in chosen if FAULTS[key] not in worker.ALONE]
        rows = dict(zip(together, pool.map(run, together), strict=True))
        rows |= {key: run(key) for key in chosen if key not in rows}
        survivor = _survivor(shared, len(rows))
        on_row(survivor)
    return [*(rows[key] for key in chosen), survivor]


def _run(key: str, shared: RunningService) -> dict[str, Any]:
    fault = FAULTS[key]
    figures = Figures()
    broken = ""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volition-")))
        scene = Scene(shared, stack, folder)
        figures = scene.figures
        try:
            fault(scene)
        except BrokenError as error:
            broken = f"{error.message}; {scene.story()}"
        except (VolitionError, OSError, psutil.Error, httpx.HTTPError, WebSocketException) as error:
            broken = f"{type(error).__name__}: {error}"
    measured = asdict(figures)
    notes = measured.pop("notes")
    return {
        "fault": (fault.__doc__ or key).strip().rstrip("."),
        "ok": not broken,
        "detail": _TEMPORARY.sub("...", "; ".join([broken, *notes] if broken else notes)),
        "key": key,
        **measured,
    }


def _survivor(shared: RunningService, n_rows: int) -> dict[str, Any]:
    """Say whether the one service that the rows shared lived through them, whole."""
    broken = ""
    try:
        with Client(shared.url) as client_:
            client_.health()
            left = [session.id for session in client_.sessions()]
        if left:
            broken = f"{len(left)} sessions could not be deleted"
    except VolitionError as error:
        broken = error.message
    return {
        "fault": "all of the above, to one service",
        "ok": not broken,
        "detail": broken or f"it is the process that it was, {n_rows} rows later",
        "key": "survivor",
        **{key: value for key, value in asdict(Figures()).items() if key != "notes"},
    }


def document(rows: Sequence[dict[str, Any]], environment: dict[str, Any]) -> str:
    """Write docs/faults.md: what is promised, the table, and what it was measured on."""
    machine = ("system", "processor", "cores", "memory_gib", "load", "python")
    measured_on = ", ".join(f"{key} {environment[key]}" for key in machine)
    return _DOCUMENT.format(
        n=len(rows),
        kept=sum(row["ok"] for row in rows),
        visible_s=VISIBLE_S,
        recovered_s=RECOVERED_S,
        window_s=WINDOW_S,
        table=table(rows),
        environment=measured_on,
    )


_DOCUMENT = """\
# When something goes wrong

Each row is one fault, injected into a running service by real processes: streams are killed and
suspended, workers are shot, disks are filled, clients misbehave. `volition bench faults --table
docs/faults.md` does it all again and writes this page; `--only signal` (or another group, or one
key) does some of it.

What every row promises, where it applies:

- the service does not crash: but for the rows that end it, all share one, which lives through them;
- what happened can be seen within {visible_s:g} s (*told after*): in the session's state, in its
  counts, or in its intents;
- the session is back within {recovered_s:g} s after the fault has ended (*back after*); where it
  had to start anew on a new inlet or in a new worker, the first whole window of {window_s:g} s
  comes on top;
- *lost / counted*: as many samples are said to be missing as were;
- *acts / stale*: on how many intents a client acted that heeds `t_sample` and `expires_s`, and how
  many of those were past their time to live, by what was really sent;
- every intent rests on a sample that was sent, and their numbers have no gap that is not told of.

{kept} of {n} rows hold.

{table}
Measured on: {environment}.
"""


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Write the rows as a table in Markdown."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    for row in rows:
        cells = (
            row["fault"],
            "yes" if row["ok"] else "**no**",
            _seconds(row["visible_s"]),
            _seconds(row["recovered_s"]),
            _pair(row["lost"], row["lost_counted"]),
            _pair(row["acts"], row["stale_acts"]),
            row["detail"].replace("|", "\\|"),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _pair(first: int | None, second: int | None) -> str:
    return "" if first is None else f"{first} / {second}"
