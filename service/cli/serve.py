"""``volition serve``: run the service."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import JsonOption, print_json, progress


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(serve)


def serve(
    session: Annotated[
        list[str] | None,
        typer.Option("--session", help="Session file or preset to start with; may be repeated."),
    ] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    json: JsonOption = False,
) -> None:
    """Serve sessions over REST and WebSocket until interrupted.

    With --json, one line with the address is printed when it is ready, and logs are JSON lines.
    """
    from service.config import load_config
    from service.listen import bind
    from service.serve import configure_logging, run_service

    configs = [load_config(source) for source in session or []]
    configure_logging(log_level, json=json)
    sock = bind(host, port)
    url_host = f"[{host}]" if ":" in host else host
    url = f"http://{url_host}:{sock.getsockname()[1]}"

    def on_ready() -> None:
        if json:
            print_json({"url": url, "sessions": [c.name for c in configs]})
        else:
            progress(f"Volition listens on {url}")

    run_service(sock, configs, on_ready)
