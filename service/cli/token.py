"""``volition token``: make, list and revoke the tokens that the service asks for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from volition.service.cli.options import JsonOption, TokensOption, print_json, progress

NameOption = Annotated[str, typer.Option(help="What the token is called, to revoke it by.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Tokens that the service asks for.", no_args_is_help=True)
    group.command()(make)
    group.command("list")(list_)
    group.command()(revoke)
    app.add_typer(group, name="token")


def make(
    role: Annotated[
        Literal["read", "control", "admin"],
        typer.Option(
            help="read: state, signals and intents; control: also sessions, markers and the "
            "emergency stop; admin: also models, recordings and settings."
        ),
    ],
    name: NameOption,
    tokens: TokensOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token and print it; it cannot be shown again, only its hash is kept.

    A service that runs on this file asks for a token from now on, also on loopback.
    """
    from volition.service.gateway.auth import TOKEN_ROLES, TokenFile

    path = _path(tokens)
    token = TokenFile(path).make(name, TOKEN_ROLES[role])
    if json:
        print_json({"name": name, "role": role, "token": token})
    else:
        print(token)
        progress(f"kept as a hash in {path}; send it as: Authorization: Bearer TOKEN")


def list_(tokens: TokensOption = None, json: JsonOption = False) -> None:
    """List the tokens: names and roles, never the tokens themselves."""
    from rich.console import Console
    from rich.table import Table

    from volition.service.gateway.auth import TokenFile

    kept = TokenFile(_path(tokens)).read()
    if json:
        print_json(
            {"tokens": [{"name": t.name, "role": t.role, "made_utc": t.made_utc} for t in kept]}
        )
        return
    if not kept:
        print("No tokens. 'volition token make --role read --name NAME' makes one.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "role", "made (UTC)"):
        table.add_column(column, overflow="fold")
    for t in kept:
        table.add_row(t.name, t.role, time.strftime("%Y-%m-%d %H:%M", time.gmtime(t.made_utc)))
    Console().print(table)


def revoke(
    name: Annotated[str, typer.Argument(help="Name of the token.")],
    tokens: TokensOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke a token: it opens nothing any more, in a service that runs too."""
    from volition.service.gateway.auth import TokenFile

    token = TokenFile(_path(tokens)).revoke(name)
    if json:
        print_json({"name": token.name, "role": token.role, "revoked": True})
    else:
        progress(f"revoked {token.name} ({token.role})")


def _path(given: Path | None) -> Path:
    from volition.service.gateway.auth import default_token_path

    return given or default_token_path()
