"""Commands that look at the machine, the network or a running service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from volition.service.cli.options import JsonOption, TokenOption, UrlOption, print_json, progress
from volition.service.wire.address import DEFAULT_PORT, DEFAULT_URL


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(doctor)
    app.command()(streams)
    app.command()(estop)
    app.command()(openapi)
    app.command()(asyncapi)


def doctor(
    port: Annotated[int, typer.Option(help="Port that the service would use.")] = DEFAULT_PORT,
    write_lsl_config: Annotated[
        Path | None,
        typer.Option(
            help="Write an lsl_api.cfg to this file, with which streams of this machine are found."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Try what the service needs, for real, and say what to do about what fails.

    What is kept, models, recordings and tokens, lies in the data folder, which VOLITION_DATA names.
    """
    from rich.console import Console
    from rich.table import Table

    from volition.service.cli import machine

    if write_lsl_config is not None:
        machine.write_lsl_config(write_lsl_config)
        progress(f"wrote {write_lsl_config}; LSLAPICFG={write_lsl_config.resolve()} has it used")
        return
    findings = machine.examine(port)
    if json:
        print_json({"ok": all(f.ok for f in findings), "checks": [f.to_dict() for f in findings]})
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("", "check", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
            table.add_row(mark, finding.check, finding.found, finding.advice)
        Console().print(table)
    sys.exit(0 if all(f.ok for f in findings) else 1)


def streams(
    type: Annotated[str | None, typer.Option(help="Only streams of this type.")] = None,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Seconds to look.")] = 1.0,
    json: JsonOption = False,
) -> None:
    """List the LSL streams on the network, with all that is needed to choose one."""
    from rich.console import Console
    from rich.table import Table

    from volition.streams.lsl.discovery import find_streams

    found = find_streams(type=type, wait_s=wait)
    if json:
        print_json({"streams": [stream.to_dict() for stream in found]})
        return
    if not found:
        what = f"LSL stream of type {type}" if type else "LSL stream"
        print(
            f"No {what} found in {wait:g} s. Start the device's LSL app on this network, or try "
            "'volition simulate'; 'volition doctor' tells whether discovery works here."
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "type", "source id", "host", "rate", "channels", "units", "offset"):
        table.add_column(column, overflow="fold")
    for s in found:
        labels = ", ".join(s.labels) or "unnamed"
        offset = "" if s.clock_offset_s is None else f"{s.clock_offset_s * 1e3:+.2f} ms"
        rate = f"{s.rate_hz:g} Hz" if s.rate_hz else "irregular"
        units = ", ".join(sorted(set(s.units))) or "none given"
        channels = f"{s.n_channels}: {labels}"
        table.add_row(s.name, s.type, s.source_id or "none", s.host, rate, channels, units, offset)
    Console().print(table)


def estop(
    session: Annotated[
        str | None, typer.Argument(help="The session's id; every session when left out.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Let outputs go on.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Emergency stop: hold all outputs of a session, or of every one, until released."""
    from volition.service.client import Client

    with Client(url, token=token) as client:
        live = [s.id for s in client.sessions() if not s.state.final]
        change = client.release if release else client.emergency_stop
        views = [change(name) for name in ([session] if session else live)]
    if json:
        print_json({"sessions": [{"id": view.id, "held": view.held} for view in views]})
    for view in () if json else views:
        print(f"{view.id}: {'held' if view.held else 'released'}")


def openapi() -> None:
    """Print the OpenAPI document of the REST part."""
    from volition.service.gateway.app import create_app

    print_json(create_app().openapi())


def asyncapi() -> None:
    """Print the AsyncAPI document of the WebSocket part."""
    from volition.service.gateway.app import VERSION
    from volition.service.gateway.asyncapi import asyncapi_document

    print_json(asyncapi_document(VERSION))
