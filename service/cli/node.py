"""``volition node``: run sessions of a cluster on this host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.errors import ConfigError
from volition.service.cli.options import JsonOption, print_json, progress

BusOption = Annotated[
    str,
    typer.Option("--bus", help="Servers of the bus: nats://HOST or tls://HOST, with commas."),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(node)


def node(
    bus: BusOption,
    name: Annotated[str, typer.Option(help="Name of this node; no other has it.")],
    label: Annotated[
        list[str] | None, typer.Option(help="What it says of itself (site=lab); may be repeated.")
    ] = None,
    capacity: Annotated[int, typer.Option(min=1, help="Most sessions at once.")] = 64,
    replicas: Annotated[
        int, typer.Option(min=1, max=5, help="Servers that keep each record, if made here.")
    ] = 1,
    ca: Annotated[
        Path | None, typer.Option(help="Certificate of who signed the servers', PEM.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    json: JsonOption = False,
) -> None:
    """Run sessions of a cluster until interrupted, then hand them over.

    With --json, one line is printed when it is ready, and logs are JSON lines.
    """
    from pydantic import TypeAdapter, ValidationError

    from volition.children import prepare_forks
    from volition.service.cli.serve import FURTHER, SHARED

    labels = dict(one.partition("=")[::2] for one in label or [])
    prepare_forks(SHARED, FURTHER)

    from volition.service.cluster.records import NodeName
    from volition.service.cluster.run_node import run_node
    from volition.service.gateway.logs import configure_logging

    try:
        TypeAdapter(NodeName).validate_python(name)
    except ValidationError:
        raise ConfigError(f"a node's name is of letters, digits, _ and -, found {name!r}") from None
    configure_logging(log_level, json=json)

    def on_ready() -> None:
        if json:
            print_json({"node": name})
        else:
            progress(f"node {name} runs sessions of {bus}")

    run_node(
        bus.split(","),
        name,
        on_ready,
        labels=labels,
        capacity=capacity,
        replicas=replicas,
        ca=str(ca) if ca else None,
    )
