"""``volition bench``: the document of figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.benchmarks.commands.output import last_json


def register(bench: typer.Typer) -> None:
    """Add the commands of this module."""
    bench.command()(report)


def report(
    latency: Annotated[
        list[Path] | None, typer.Option(help="Report of `bench latency --json`; may be repeated.")
    ] = None,
    capacity: Annotated[Path | None, typer.Option(help="Report of `bench capacity`.")] = None,
    decoders: Annotated[Path | None, typer.Option(help="Report of `bench decoders`.")] = None,
    peers: Annotated[Path | None, typer.Option(help="Report of `bench peers`.")] = None,
    counts: Annotated[Path | None, typer.Option(help="Report of `bench counts`.")] = None,
    out: Annotated[Path, typer.Option(help="The document to write.")] = Path("docs/benchmarks.md"),
) -> None:
    """Write the document of figures from reports, and drawings beside it."""
    from volition.benchmarks.report import write

    others = {"capacity": capacity, "decoders": decoders, "peers": peers, "counts": counts}
    read = {name: last_json(path) for name, path in others.items() if path is not None}
    if not latency and not read:
        raise typer.BadParameter("give at least one report")
    write([last_json(path) for path in latency or ()], read, out)
