"""``volition presets``: the configurations that ship."""

from __future__ import annotations

from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, cells, print_json


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(presets)


def presets(
    show: Annotated[str | None, typer.Option(help="Print the YAML of this one.")] = None,
    json: JsonOption = False,
) -> None:
    """List the configurations that ship; whatever takes a session file takes their names."""
    from rich.console import Console
    from rich.table import Table

    from volition.service.sessions.config import preset_names, preset_text

    names = preset_names()
    if show is not None:
        if show not in names:
            raise typer.BadParameter(
                f"{show!r}; there are: {', '.join(names)}", param_hint="--show"
            )
        print(preset_text(show), end="")
        return
    about = {name: preset_text(name).partition("\n")[0].lstrip("# ") for name in names}
    if json:
        print_json({"presets": [{"name": name, "about": about[name]} for name in names]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("preset", "for"):
        table.add_column(column, overflow="fold")
    for name in names:
        table.add_row(*cells(name, about[name]))
    Console().print(table)
