"""The command line: ``volition``.

Each command is a thin shell over a function of the rooms. Results go to stdout, with ``--json`` as
one JSON object on the last line; progress and errors go to stderr. Exit codes: 0 as asked, 1 the
result is not what it should be, 2 wrong usage, 3 a wrong configuration, 4 LSL or a stream, 5 no
service answers or it refused, 6 a recording or data set.

Heavy imports stand inside the commands, since every spawned worker imports this module too.
"""

from __future__ import annotations

import sys

import typer

from service.cli import bench, evaluate, models, run, serve, talk, token
from streams.errors import VolitionError

EXIT_CODES = {
    "config": 3,
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
    "unreachable": 5,
    "recording": 6,
}

app = typer.Typer(
    name="volition",
    help="A real-time brain-computer interface service: LSL streams in, intents out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (serve, token, models, talk, run, evaluate, bench):
    module.register(app)


def main() -> None:
    """Run the command line; an error that Volition raises on purpose is one sentence."""
    try:
        app()
    except VolitionError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(EXIT_CODES.get(error.code, 1))
