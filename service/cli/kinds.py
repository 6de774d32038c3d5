"""``volition kinds``: what a session can be made of."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, cells, print_json


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(kinds)


def kinds(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As a page: what docs/kinds.md is written by.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List stages, decoders, outputs and data sets, those of installed packages among them."""
    from rich.console import Console
    from rich.table import Table

    from volition.service.sessions.kinds import as_markdown, broken_parts, known_kinds

    found, broken = known_kinds(), broken_parts()
    if json:
        print_json({"kinds": [asdict(k) for k in found], "broken": [asdict(b) for b in broken]})
        return
    for one in broken:
        print(f"warning: {one}", file=sys.stderr)
    if markdown:
        print(as_markdown(found), end="")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "kind", "what it does", "from"):
        table.add_column(column, overflow="fold")
    for kind in found:
        table.add_row(*cells(kind.family, kind.kind, kind.summary, kind.distribution))
    Console().print(table)
