"""Commands that look at the machine, the network or a running service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from volition.service.cli.options import (
    JsonOption,
    TokenOption,
    UrlOption,
    cells,
    print_json,
    progress,
)
from volition.service.wire.address import DEFAULT_PORT, DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volition.service.client import Client
    from volition.streams.lsl.discovery import StreamDescription
    from volition.streams.lsl.verdict import Finding


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(doctor)
    app.command()(streams)
    app.command()(estop)
    app.command()(openapi)
    app.command()(asyncapi)


def doctor(
    port: Annotated[int, typer.Option(help="Port that the service would use.")] = DEFAULT_PORT,
    stream: Annotated[
        str | None,
        typer.Option(help="Name or source id of a stream to look at, in place of the machine."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=600, help="For how long to look at it.")
    ] = 30.0,
    write_lsl_config: Annotated[
        Path | None,
        typer.Option(
            help="Write an lsl_api.cfg to this file, with which streams of this machine are found."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Try what the service needs, for real, and say what to do about what fails.

    With --stream, look at one LSL stream: its rate and stamps as they are, its clock, losses, units
    and channels, and what to set in a session. What is kept, models, recordings and tokens, lies in
    the data folder, which VOLITION_DATA names.
    """
    from rich.console import Console
    from rich.table import Table

    from volition.service.cli import machine

    if write_lsl_config is not None:
        machine.write_lsl_config(write_lsl_config)
        progress(f"wrote {write_lsl_config}; LSLAPICFG={write_lsl_config.resolve()} has it used")
        return
    findings = machine.examine(port) if stream is None else _examine_stream(stream, seconds)
    if json:
        print_json({"ok": all(f.ok for f in findings), "checks": [f.to_dict() for f in findings]})
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("", "check", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
            table.add_row(mark, *cells(finding.check, finding.found, finding.advice))
        Console().print(table)
    sys.exit(0 if all(f.ok for f in findings) else 1)


def _examine_stream(named: str, seconds: float) -> list[Finding]:
    from volition.streams.lsl.look import look_at
    from volition.streams.lsl.verdict import verdict

    found = find_one(named)
    progress(f"looking at {found.summary()} for {seconds:g} s")
    return verdict(look_at(found, seconds))


def find_one(named: str) -> StreamDescription:
    """Find the one stream of a name, source id or uid; raise `StreamError` unless there is one."""
    from volition.errors import StreamError
    from volition.streams.lsl.discovery import find_streams

    everyone = find_streams(wait_s=1.5, details=False)
    found = [one for one in everyone if named in (one.name, one.source_id, one.uid)]
    if len(found) != 1:
        listing = ", ".join(
            f"{one.summary()} source_id '{one.source_id}' on {one.host} uid '{one.uid}'"
            for one in found or everyone
        )
        raise StreamError(
            f"{len(found)} streams of name, source id or uid '{named}'; found: {listing or 'none'}"
        )
    return found[0]


def streams(
    type: Annotated[str | None, typer.Option(help="Only streams of this type.")] = None,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Seconds to look.")] = 1.0,
    look: Annotated[
        float,
        typer.Option(
            min=0, max=600, help="Receive each signal for this long and measure its rate."
        ),
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """List the LSL streams on the network, with all that is needed to choose one."""
    from rich.console import Console
    from rich.table import Table

    from volition.streams.lsl.discovery import find_streams

    found = find_streams(type=type, wait_s=wait)
    rates = _measured_rates(found, look) if look else {}
    if json:
        listed = [
            {**one.to_dict(), "measured_rate_hz": rates[one.uid]} if look else one.to_dict()
            for one in found
        ]
        print_json({"streams": listed})
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
        if rates.get(s.uid) is not None:
            rate += f" (measured {rates[s.uid]:.2f})"
        units = ", ".join(sorted(set(s.units))) or "none given"
        channels = f"{s.n_channels}: {labels}"
        source_id = s.source_id or "none"
        table.add_row(*cells(s.name, s.type, source_id, s.host, rate, channels, units, offset))
    Console().print(table)


def _measured_rates(found: Sequence[StreamDescription], seconds: float) -> dict[str, float | None]:
    """Measure the rate of each signal, all at once; None for what sends none."""
    from concurrent.futures import ThreadPoolExecutor

    from volition.errors import VolitionError
    from volition.streams.lsl.look import look_at

    def measure(one: StreamDescription) -> float | None:
        if one.format == "string" or not one.rate_hz:
            return None
        try:
            rate_hz: float | None = look_at(one, seconds).continuity["rate_hz"]
        except VolitionError:
            return None
        return rate_hz

    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip((one.uid for one in found), pool.map(measure, found), strict=True))


def estop(
    session: Annotated[
        str | None, typer.Argument(help="The session's id; every session when left out.")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let outputs go on; asks first in a terminal.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Release without being asked.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Emergency stop: hold all outputs of a session, or of every one, until released.

    On the service's own host it is written where the workers read it, and works while the service
    hangs or is overloaded. It goes on after any failure, says of each session what is confirmed,
    and exits with 1 unless all are.
    """
    from volition.service.client import Client
    from volition.service.client.stopping import stop_all

    with Client(url, token=token) as client:
        if release:
            results = _release(client, session, ask=sys.stdin.isatty() and not (yes or json))
        else:
            results = [
                {"id": one.session, "held": one.confirmed, "ways": one.ways}
                for one in stop_all(client, None if session is None else [session])
            ]
    if json:
        print_json({"sessions": results})
    for one in () if json else results:
        print(f"{one['id']}: {_said(one, release=release)}")
    sys.exit(0 if all(one["held"] is not release for one in results) else 1)


def _release(client: Client, session: str | None, *, ask: bool) -> list[dict[str, Any]]:
    """Release the stops that are seen now; go on after a refusal, and keep what it said."""
    from volition.errors import VolitionError

    views = [client.session(session)] if session else client.sessions()
    results: list[dict[str, Any]] = []
    for seen in [view for view in views if session or not view.state.final]:
        name = seen.id
        if ask:
            told = ", ".join(seen.stop.release_moves) or "nothing"
            typer.confirm(f"Release {name}? Its intents go to: {told}", abort=True)
        try:
            view = client.release(name, order=seen.stop.order)
        except VolitionError as error:
            results.append({"id": name, "held": True, "error": error.message})
        else:
            moves = view.stop.release_moves
            results.append({"id": name, "held": view.held, "moves": moves})
    return results


def _said(one: dict[str, Any], *, release: bool) -> str:
    if "error" in one:
        return f"not released: {one['error']}"
    if release:
        moves = ", ".join(one["moves"]) or "nothing"
        return "still held" if one["held"] else f"released; intents go to: {moves}"
    ways = "; ".join(f"{way}: {said}" for way, said in one["ways"].items())
    return f"{'held' if one['held'] else 'NOT CONFIRMED'} ({ways})"


def openapi() -> None:
    """Print the OpenAPI document of the REST part."""
    from volition.service.gateway.app import create_app

    print_json(create_app().openapi())


def asyncapi() -> None:
    """Print the AsyncAPI document of the WebSocket part."""
    from volition.service.gateway.app import VERSION
    from volition.service.gateway.asyncapi import asyncapi_document

    print_json(asyncapi_document(VERSION))
