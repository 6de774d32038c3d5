"""``volition bench``: what becomes of the service when something goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from volition.benchmarks.commands.output import print_report
from volition.service.cli.options import JsonOption, progress


def register(bench: typer.Typer) -> None:
    """Add the commands of this module."""
    bench.command()(faults)
    bench.command()(chaos)
    bench.command()(soak)
    bench.command()(hostile)


def faults(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only faults whose key begins like this; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Faults at a time.")] = 3,
    table: Annotated[Path | None, typer.Option(help="Write the table, as docs/faults.md.")] = None,
    json: JsonOption = False,
) -> None:
    """Inject every fault for real, one row each, and hold the service to its promises.

    Exits with 1 when a promise was broken.
    """
    from volition.benchmarks.faults.table import FAULTS, document, run_faults
    from volition.streams import lsl

    keys = [key for key in FAULTS if not only or key.startswith(tuple(only))]
    if not keys:
        raise typer.BadParameter(f"none of {', '.join(FAULTS)}", param_hint="--only")

    def say(row: dict[str, Any]) -> None:
        progress(f"{'ok' if row['ok'] else 'NO'}  {row['fault']}  {row['detail']}")

    with lsl.own_network():
        rows = run_faults(keys, jobs=jobs, on_row=say)
    if table is not None:
        from volition.benchmarks.environment import environment

        table.write_text(document(rows, environment()), encoding="utf-8")
    broken = [row["fault"] for row in rows if not row["ok"]]
    print_report({"ok": not broken, "broken": broken, "rows": rows}, json)
    if broken:
        raise typer.Exit(1)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes that it lasts.")] = 5.0,
    outlets: Annotated[
        int, typer.Option(min=1, help="Simulated outlets, each with a session of its own.")
    ] = 8,
    seed: Annotated[int, typer.Option(help="Seed of what is killed, and when.")] = 1,
    json: JsonOption = False,
) -> None:
    """Kill outlets at random, and see every session come back with every sample accounted for.

    Exits with 1 when a session hung, came back late, or a sample is wrong.
    """
    from volition.benchmarks.faults.chaos import chaos as run
    from volition.streams import lsl

    with lsl.own_network():
        result = run(minutes, outlets=outlets, seed=seed, on_step=progress)
    print_report(result, json)
    if result["hangs"] or result["wrong_samples"] or result["recovery_s"]["late"]:
        raise typer.Exit(1)


def soak(
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Minutes to run, after one of warm-up.")
    ] = 10.0,
    sessions: Annotated[int, typer.Option(min=1, help="Sessions at a time.")] = 2,
    json: JsonOption = False,
) -> None:
    """Run for long, and see whether memory, open files, threads or latency grow."""
    from volition.benchmarks.faults.soak import soak as run
    from volition.streams import lsl

    with lsl.own_network():
        print_report(run(minutes, sessions=sessions, on_step=progress), json)


_SAID = ("key", "what", "ok", "error")


def hostile(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only rows whose key begins like this; may be repeated."),
    ] = None,
    presses: Annotated[
        int, typer.Option(min=1, help="Presses of the stop in each row of it.")
    ] = 100,
    soak: Annotated[
        bool, typer.Option("--soak", help="In place of rows: all of it at random, for long.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long --soak lasts.")] = 60.0,
    json: JsonOption = False,
) -> None:
    """Have hostile programs on this host do their worst, and hold the service to its promises.

    Exits with 1 when a promise was broken.
    """
    from volition.benchmarks.faults.hostile.soak import soak as run_soak
    from volition.benchmarks.faults.hostile.table import ROWS, run_hostile, serving
    from volition.streams import lsl

    if soak:
        with lsl.own_network(), serving() as scene:
            report = run_soak(scene, minutes, on_step=progress)
        print_report(report, json)
        raise typer.Exit(0 if report["ok"] else 1)
    keys = [key for key in ROWS if not only or key.startswith(tuple(only))]
    if not keys:
        raise typer.BadParameter(f"none of {', '.join(ROWS)}", param_hint="--only")

    def say(row: dict[str, Any]) -> None:
        figures = row["error"] or {key: row[key] for key in row if key not in _SAID}
        progress(f"{'ok' if row['ok'] else 'NO'}  {row['what']}  {figures}")

    with lsl.own_network():
        rows = run_hostile(keys, presses=presses, on_row=say)
    broken = [row["key"] for row in rows if not row["ok"]]
    print_report({"ok": not broken, "broken": broken, "rows": rows}, json)
    if broken:
        raise typer.Exit(1)
