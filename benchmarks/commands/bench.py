"""``volition bench``: measurements, each with its environment; each trade brings its own."""

from __future__ import annotations

import typer

from volition.benchmarks.commands import faults, peers, quality, report, speed


def register(app: typer.Typer) -> None:
    """Add the commands of every trade."""
    bench = typer.Typer(help="Measure latency, capacity and the rest.", no_args_is_help=True)
    for trade in (speed, quality, faults, peers, report):
        trade.register(bench)
    app.add_typer(bench, name="bench")
