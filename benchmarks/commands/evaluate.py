"""``volition evaluate``: score a session on a data set that is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, SessionOption, print_json
from volition.service.cli.own_data import TrialsOption


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(evaluate)


def _list_and_leave(wanted: bool) -> None:
    """Print the data sets that are installed: name, what it is, who brings it."""
    if not wanted:
        return
    from volition.benchmarks.quality.contract.dataset import broken, installed

    rows = [(name, one.dataset.summary, one.distribution) for name, one in installed().items()]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:2]]
    for name, summary, distribution in sorted(rows):
        print(f"{name:{widths[0]}}  {summary:{widths[1]}}  {distribution}")
    for one in broken():
        print(f"warning: {one}", file=sys.stderr)
    raise typer.Exit


def evaluate(
    dataset: Annotated[
        str, typer.Argument(help="Name of a data set, or a folder of your own recordings.")
    ],
    session: SessionOption,
    root: Annotated[
        Path | None, typer.Option(help="Folder that holds the data set's files.")
    ] = None,
    trials: TrialsOption = None,
    idle_sweep: Annotated[
        bool,
        typer.Option(help="Also the curve of false selections a minute against share selected."),
    ] = False,
    json: JsonOption = False,
    _listed: Annotated[
        bool,
        typer.Option(
            "--list",
            is_eager=True,
            callback=_list_and_leave,
            help="Print the data sets that are installed, and nothing else.",
        ),
    ] = False,
) -> None:
    """Score a session's pipeline on recordings, through the path that live samples take.

    Own recordings (XDF, EDF, BDF, BrainVision, FIF) are cross-validated: each is scored by a
    decoder that was calibrated on the others. --trials says which markers begin which trials.
    """
    from volition.benchmarks.quality.evaluation.evaluate import evaluate as run
    from volition.benchmarks.quality.evaluation.own_cursor import evaluate_own_cursor, moves_cursor
    from volition.benchmarks.quality.evaluation.own_recordings import evaluate_own
    from volition.errors import ConfigError
    from volition.service.sessions.config import load_config
    from volition.streams.files.trial_mapping import TrialMapping

    config = load_config(session)
    if root is not None:
        result = run(dataset, root, config, idle_sweep=idle_sweep)
    elif Path(dataset).exists():
        mapping = None if trials is None else TrialMapping.read(trials)
        if moves_cursor(config):
            result = evaluate_own_cursor(Path(dataset), config, mapping)
        else:
            result = evaluate_own(Path(dataset), config, mapping, idle_sweep=idle_sweep)
    else:
        raise ConfigError(
            f"{dataset} is no folder of recordings; a data set by name needs its folder: --root"
        )
    if json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")
