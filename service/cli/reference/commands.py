"""The page of commands: each with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator

import typer.main
from typer.core import TyperCommand, TyperGroup

from volition.service import cli
from volition.service.cli.reference.schemas import text

HEAD = """# Commands

`volition COMMAND --help` says the same. Results go to stdout and progress to stderr; with `--json`
the result is one JSON object on the last line. [Errors](errors.md) has the exit codes.
"""


def page() -> str:
    """Write the page."""
    command = typer.main.get_command(cli.app())
    assert isinstance(command, TyperGroup)
    return HEAD + "".join(_sections(command, "volition"))


def _sections(command: TyperGroup | TyperCommand, path: str) -> Iterator[str]:
    if isinstance(command, TyperCommand):
        yield _section(command, path)
        return
    for name, one in sorted(command.commands.items()):
        assert isinstance(one, TyperGroup | TyperCommand)
        if not one.hidden:
            yield from _sections(one, f"{path} {name}")


def _section(command: TyperCommand, path: str) -> str:
    context = command.context_class(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [f"| `{text(one[0])}` | {text(one[1])} |\n" for one in records if one is not None]
    head = "\n| argument or option | meaning |\n| --- | --- |\n" if rows else ""
    about = (command.help or "").strip()
    return f"\n## {path}\n\n{about}\n\n```sh\n{path} {usage}\n```\n{head}{''.join(rows)}"
