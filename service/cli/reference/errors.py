"""The page of errors: the tree, each code's HTTP status, and the command line's exit codes."""

from __future__ import annotations

import inspect

from volition import errors
from volition.service import cli

HEAD = """# Errors

Every error has a `code` for programs and a sentence for a person: what was wrong, what was found,
what is allowed. REST answers with a problem document (RFC 9457) of type
`urn:volition:problem:CODE`; the command line prints the sentence and ends with the code's number.
What stands without a status comes from the command line or the client alone.
"""


def page() -> str:
    """Write the page."""
    # What follows defines errors of its own, which the tree then holds.
    from volition.service.gateway import app  # noqa: F401  # for the errors that it defines
    from volition.service.wire.problems import STATUS

    codes = sorted({*STATUS, *cli.EXIT_CODES, *_codes(errors.VolitionError)})
    rows = "".join(
        f"| `{code}` | {_status(STATUS.get(code))} | {cli.EXIT_CODES.get(code, 1)} |\n"
        for code in codes
    )
    tree = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2]
    drawn = tree.partition("\n\n")[0]
    ends = inspect.cleandoc(cli.__doc__ or "").partition("Exit codes: ")[2].partition(".")[0]
    return (
        f"{HEAD}\n## Exit codes\n\n{' '.join(ends.split())}.\n"
        f"\n## Codes\n\n| code | REST | exit code |\n| --- | --- | --- |\n{rows}"
        f"\n## The tree in Python\n\n```text\n{inspect.cleandoc(drawn)}\n```\n"
    )


def _codes(error: type[errors.VolitionError]) -> set[str]:
    return {error.code}.union(*map(_codes, error.__subclasses__()))


def _status(status: tuple[int, str] | None) -> str:
    return f"{status[0]}, {status[1]}" if status else ""
