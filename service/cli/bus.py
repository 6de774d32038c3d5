"""``volition bus``: what the servers of a cluster's bus need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.errors import ConfigError
from volition.service.cli.options import progress


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    bus = typer.Typer(help="The bus that joins the hosts of a cluster.", no_args_is_help=True)
    bus.command("config")(config)
    app.add_typer(bus, name="bus")


def config(
    name: Annotated[str, typer.Argument(help="Name of this server.")],
    node: Annotated[list[str], typer.Option(help="Name of a node; repeated for each.")],
    passwords: Annotated[
        Path, typer.Option(help="File of passwords, made if it is not there; for all servers.")
    ],
    host: Annotated[str, typer.Option(help="Address on which it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 4222,
    store: Annotated[Path, typer.Option(help="Folder of its records.")] = Path("/data"),
    route: Annotated[
        list[str] | None, typer.Option(help="A server of the bus, HOST:PORT; for each.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Its certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="Who signed the certificates, PEM.")] = None,
) -> None:
    """Write the configuration of a nats-server, of 2.14 or newer, to standard output."""
    import json
    import os

    from volition.service.cluster.server_config import (
        Place,
        ServerTls,
        new_passwords,
        server_config,
    )

    if len({tls_cert is None, tls_key is None, tls_ca is None}) > 1:
        raise ConfigError("--tls-cert, --tls-key and --tls-ca go together")
    known: dict[str, str] = json.loads(passwords.read_text("utf-8")) if passwords.exists() else {}
    missing = new_passwords(one for one in node if one not in known)
    if set(missing) - set(known):
        known = missing | known
        handle = os.open(passwords, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=2)
        progress(f"passwords are in {passwords}")
    tls = ServerTls(tls_cert, tls_key, tls_ca) if tls_cert and tls_key and tls_ca else None
    wanted = {one: known[one] for one in (*node, "gateway")}
    print(server_config(Place(name, host, port, store, route or ()), wanted, tls), end="")
