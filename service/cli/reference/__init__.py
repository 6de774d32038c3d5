"""The reference: pages that are written from what is installed, and never by hand.

``volition reference`` prints one, or writes all of them to a folder; ``make docs`` puts them into
the documentation. Each page is a function that gives Markdown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def pages() -> dict[str, Callable[[], str]]:
    """Give each page's name and what writes it."""
    from volition.service.cli.reference import (
        commands,
        configuration,
        errors,
        http,
        metrics,
        presets,
        sockets,
    )

    written = (configuration, presets, commands, http, sockets, errors, metrics)
    return {module.__name__.rpartition(".")[2]: module.page for module in written}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(reference)


def reference(
    page: Annotated[
        str | None, typer.Argument(help="Page to print; their names when left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write every page to, as Markdown.")
    ] = None,
) -> None:
    """Print a page of the reference: every key, command, call, message, error, metric, preset."""
    written = pages()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, write in written.items():
            (out / f"{name}.md").write_text(write(), encoding="utf-8")
        return
    if page is None:
        print("\n".join(written))
        return
    if page not in written:
        raise typer.BadParameter(f"{page!r}; there are: {', '.join(written)}")
    print(written[page](), end="")
