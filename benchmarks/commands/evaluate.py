"""``volition evaluate``: score a session on a data set that is installed."""

from __future__ import annotations

import json as json_of
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli.options import JsonOption, SessionOption, print_json
from volition.service.cli.own_data import TrialsOption

if TYPE_CHECKING:
    from volition.service.sessions.config import SessionConfig


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
    protocol: Annotated[
        str | None,
        typer.Option(
            help="For decoders that other people trained: everybody by what ships (shipped), or by "
            "a model that is learned without them (leave-person-out); when left out, the latter "
            "for those who trained it, the former for others. For decoders of classes: each "
            "session left out (leave-session-out), the later ones by the first (chronological), "
            "or, to see what that is worth, windows that leak (leaking-windows)."
        ),
    ] = None,
    train: Annotated[
        int, typer.Option(min=1, help="Number of sessions to learn from, for chronological.")
    ] = 4,
    keep_faulty: Annotated[
        bool, typer.Option(help="Learn classes from sessions that lost samples too.")
    ] = False,
    decoder: Annotated[
        str | None,
        typer.Option(help="Settings of the decoder in place of the session's own, as JSON."),
    ] = None,
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

    config = _with_settings(load_config(session), decoder)
    if root is not None:
        result = run(
            dataset,
            root,
            config,
            idle_sweep=idle_sweep,
            protocol=protocol,
            train=train,
            keep_faulty=keep_faulty,
        )
    elif Path(dataset).exists():
        mapping = None if trials is None else TrialMapping.read(trials)
        if moves_cursor(config):
            result = evaluate_own_cursor(Path(dataset), config, mapping)
        else:
            result = evaluate_own(
                Path(dataset), config, mapping, idle_sweep=idle_sweep, protocol=protocol
            )
    else:
        raise ConfigError(
            f"{dataset} is no folder of recordings; a data set by name needs its folder: --root"
        )
    if json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")


def _with_settings(config: SessionConfig, given: str | None) -> SessionConfig:
    """Give a session whose decoder has other settings, written as JSON."""
    from volition.errors import ConfigError
    from volition.service.sessions.config import parse_config

    if given is None:
        return config
    try:
        changed = json_of.loads(given)
    except ValueError as error:
        raise ConfigError(f"--decoder is no JSON: {error}") from None
    plain = config.model_dump(mode="json", exclude_unset=True)
    if not isinstance(changed, dict):
        raise ConfigError(f"--decoder holds {type(changed).__name__}; allowed: a mapping")
    return parse_config({**plain, "decoder": {**plain["decoder"], **changed}}, "--decoder")
