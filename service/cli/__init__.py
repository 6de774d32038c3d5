"""The command line: ``volition``.

Each command is a thin shell over a function of the rooms. Results go to stdout, with ``--json`` as
one JSON object on the last line; progress and errors go to stderr. Exit codes: 0 as asked, 1 the
result is not what it should be, 2 wrong usage, 3 a wrong configuration, 4 LSL or a stream, 5 no
service answers or it refused, 6 a recording or data set.

The commands are those that are installed (`volition.extension`, group ``volition.commands``): each
entry point names a function that adds its commands to a `typer.Typer`. They are looked for when one
is run, and heavy imports stand inside the commands, since every spawned worker imports this module.
"""

from __future__ import annotations

import functools
import sys
from importlib import metadata
from typing import Annotated

import typer

from volition import extension
from volition.errors import VolitionError

EXIT_CODES = {
    "config": 3,
    "installation": 3,
    "spec": 3,
    "not-fitted": 3,
    "model": 3,
    "no-model": 3,
    "read-only-model": 3,
    "registry": 3,
    "port": 3,
    "stream": 4,
    "lsl-missing": 4,
    "api": 5,
    "bus": 5,
    "unreachable": 5,
    "recording": 6,
}


def _print_version(asked: bool) -> None:
    if asked:
        print(f"volition {metadata.version('volition')}")
        raise typer.Exit


@functools.cache
def app() -> typer.Typer:
    """Make the command line out of what is installed; a plugin that fails is named on stderr."""
    made = typer.Typer(
        name="volition",
        help="A real-time brain-computer interface service: LSL streams in, intents out.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_common)
    for part in extension.parts("volition.commands"):
        before = len(made.registered_commands), len(made.registered_groups)
        try:
            part.value(made)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code may raise anything
            del made.registered_commands[before[0] :], made.registered_groups[before[1] :]
            why = f"{type(error).__name__}: {error}"
            extension.leave_out("volition.commands", part.name, part.distribution, why)
    for one in extension.broken():
        print(f"warning: {one}", file=sys.stderr)
    return made


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error that Volition raises on purpose is one sentence."""
    try:
        app()()
    except VolitionError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(EXIT_CODES.get(error.code, 1))
