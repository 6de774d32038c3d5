"""``evaluate`` and ``bench``: the one part of the service that knows `benchmarks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, SessionOption, print_json


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(evaluate)


def evaluate(
    dataset: Annotated[str, typer.Argument(help="Name of the data set.")],
    root: Annotated[Path, typer.Option(help="Folder that holds its files.")],
    session: SessionOption,
    idle_sweep: Annotated[
        bool,
        typer.Option(help="Also the curve of false selections a minute against share selected."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Score a session's pipeline on a data set, through the path that live samples take."""
    from volition.benchmarks.quality.evaluate import evaluate as run
    from volition.service.sessions.config import load_config

    result = run(dataset, root, load_config(session), idle_sweep=idle_sweep)
    if json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")
