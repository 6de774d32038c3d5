"""Options and output that several commands share."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object, on the last line.")
]
UrlOption = Annotated[str, typer.Option("--url", help="Address of the running service.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="VOLITION_TOKEN",
        help="Token that the service asks for.",
        show_envvar=True,
    ),
]
TokensOption = Annotated[
    Path | None,
    typer.Option(
        "--tokens",
        envvar="VOLITION_TOKENS",
        help="File of tokens; one in the user's data folder when left out.",
    ),
]


def complete_preset(incomplete: str) -> list[str]:
    """Give the names of presets that begin so, for the shell; files it knows by itself."""
    folder = resources.files("volition.service") / "presets"
    names = (one.name.removesuffix(".yaml") for one in folder.iterdir())
    return sorted(name for name in names if name.startswith(incomplete))


SessionOption = Annotated[
    str,
    typer.Option(
        "--session",
        help="A session file (YAML), or the name of a preset.",
        autocompletion=complete_preset,
    ),
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        help="A session file (YAML), or the name of a preset.", autocompletion=complete_preset
    ),
]


def print_json(result: Any) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(result, ensure_ascii=False, allow_nan=False), flush=True)


def printable(text: str) -> str:
    """Give a text that is safe for a terminal: what cannot be printed is replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def cells(*texts: str) -> list[Text]:
    """Give cells of a table that show texts as they are: no markup, no control of the terminal."""
    from rich.text import Text

    return [Text(printable(text)) for text in texts]


def progress(text: str) -> None:
    """Say what goes on, to stderr."""
    print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)
