"""``volition rhythm``: how strong the alpha rhythm is in a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rhythm)


def rhythm(
    recording: Annotated[Path, typer.Argument(help="An XDF, EDF or BDF file.")],
) -> None:
    """Print the share that the alpha rhythm has of the power from 4 to 30 Hz."""
    from volition.streams.files.recording import read_recording
    from volition_rhythm.alpha import AlphaPower, feature

    read = read_recording(recording)
    share = feature(AlphaPower(read.spec).of(read.samples))
    typer.echo(f"log share of alpha: {share:.2f}")
