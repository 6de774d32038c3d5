"""``volition serve``: run the service."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from volition.errors import ConfigError
from volition.service.cli.options import (
    JsonOption,
    TokensOption,
    complete_preset,
    print_json,
    progress,
)
from volition.service.wire.address import DEFAULT_PORT

if TYPE_CHECKING:
    from volition.service.supervision.contract import Sessions

#: What the gateway shares with the processes that it starts, and what these need beyond.
SHARED = ("volition.service.worker.process",)
FURTHER = (
    "scipy.signal",
    "volition.service.worker.recorder",
    "volition.service.supervision.scout",
    "volition.service.supervision.examinations",
    "volition.streams.simulated.headset",
    "volition.streams.simulated.live_participant",
)


def _load() -> None:
    """Load the gateway, and fork the fork server on the way."""
    import gc
    import importlib

    from volition.children import prepare_forks

    gc.disable()  # modules stay: a search among them for garbage would find none
    try:
        prepare_forks(SHARED, FURTHER)
        importlib.import_module("volition.service.gateway.serve")
    finally:
        gc.enable()


def register(app: typer.Typer) -> None:
    """Add the commands of this module.

    Each option of ``serve`` may stand in the environment too, as VOLITION_SERVE_OPTION.
    """
    app.command(context_settings={"auto_envvar_prefix": "VOLITION_SERVE"})(serve)


#: Options that say how the command runs, and not what is served.
_NO_SETTINGS = {"settings", "json", "end_with_stdin", "help"}


def read_settings(path: Path) -> dict[str, Any]:
    """Read a settings file: the options of ``volition serve``, by their names.

    Raises
    ------
    ConfigError
        It cannot be read, is no mapping, or has a key that is no option.
    """
    import yaml

    from volition.service.cli import app

    command = typer.main.get_group(app()).commands["serve"]
    known = {one.name or "": one for one in command.params if one.name not in _NO_SETTINGS}
    try:
        read = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"no settings file {path} ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(read, dict):
        raise ConfigError(f"{path} holds {type(read).__name__} where a mapping is needed")
    given = {str(key).replace("-", "_"): value for key, value in read.items()}
    if unknown := sorted(given.keys() - known.keys()):
        allowed = ", ".join(sorted(name.replace("_", "-") for name in known))
        raise ConfigError(f"{path}: {unknown[0]} is no option of serve; allowed: {allowed}")
    for name, value in given.items():
        if known[name].multiple and not isinstance(value, list):
            given[name] = [value]
    return given


def _take_settings(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None and not context.resilient_parsing:
        context.default_map = {**(context.default_map or {}), **read_settings(path)}
    return path


def serve(
    settings: Annotated[  # noqa: ARG001 - its callback reads it, before the other options
        Path | None,
        typer.Option(
            help="File (YAML) with options of this command by their names; the command line and "
            "the environment come first.",
            is_eager=True,
            callback=_take_settings,
        ),
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(
            "--session",
            help="Session file or preset to start with; may be repeated.",
            autocompletion=complete_preset,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    tokens: TokensOption = None,
    require_token: Annotated[
        bool, typer.Option("--require-token", help="Ask for a token on loopback too.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name that clients may use for this service; may be repeated."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of pages that may use it (https://NAME); may be repeated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate and its chain, PEM: serve encrypted.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.")] = None,
    max_sessions: Annotated[int, typer.Option(min=1, help="Limit of live sessions.")] = 64,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Restart the sessions that were live at the last shutdown; numbering continues.",
        ),
    ] = False,
    root_path: Annotated[
        str,
        typer.Option(
            help="Path below which a proxy offers the service, and which it takes off: /bci."
        ),
    ] = "",
    bus: Annotated[
        str | None,
        typer.Option(help="Serve the sessions that nodes run: servers of their bus, with commas."),
    ] = None,
    bus_ca: Annotated[
        Path | None, typer.Option(help="Certificate of who signed the bus's servers', PEM.")
    ] = None,
    end_with_stdin: Annotated[
        bool, typer.Option("--end-with-stdin", help="End when standard input is closed.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    json: JsonOption = False,
) -> None:
    """Serve sessions over REST and WebSocket until interrupted.

    On loopback no token is needed until one was made ('volition token make'); on any other address
    the service starts only with one. The environment variable VOLITION_TOKEN gives one more, of
    role admin, as a container gets it.

    With --json, one line with the address is printed when it is ready, and logs are JSON lines.
    """
    # Taken out of the environment, which every worker inherits.
    given = os.environ.pop("VOLITION_TOKEN", None) or None
    _load()

    from volition.service.gateway.auth import Authority, default_token_path
    from volition.service.gateway.bind_address import bind, is_loopback
    from volition.service.gateway.guard import Access
    from volition.service.gateway.logs import configure_logging
    from volition.service.gateway.serve import Tls, run_service
    from volition.service.sessions.config import load_config
    from volition.service.sessions.folders import data_folder
    from volition.service.sessions.stop_folder import StopFolder
    from volition.service.supervision.store import SessionStore

    configs = [load_config(source) for source in session or []]
    configure_logging(log_level, json=json)
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("--tls-cert and --tls-key go together")
    if root_path and not root_path.startswith("/"):
        raise ConfigError(f"--root-path begins with a slash, found {root_path!r}")
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    loopback = is_loopback(host)
    authority = Authority(
        tokens or default_token_path(), given=given, required=require_token or not loopback
    )
    access = Access(
        authority,
        beyond_loopback=not loopback,
        hosts=frozenset(name.lower() for name in allow_host or []),
        origins=frozenset(allow_origin or []),
    )
    sock = bind(host, port, has_tokens=authority.has_tokens)
    if require_token and not authority.has_tokens:
        progress("no token is known yet: 'volition token make' makes one")
    if tls is None and not loopback:
        progress("not encrypted: whoever listens on this network reads tokens and signals")
    url_host = f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{url_host}:{sock.getsockname()[1]}"
    stops = StopFolder.of_service(port)
    stops.tell(sock.getsockname()[1], os.getpid())

    def on_ready() -> None:
        if json:
            print_json({"url": url, "sessions": [c.name for c in configs]})
        else:
            progress(f"Volition listens on {url}")

    make_sessions: Callable[[], Sessions] | None = None
    if bus is not None:
        from volition.service.cluster.sessions import ClusterSessions

        if restore:
            raise ConfigError(
                "--restore and --bus do not go together: a cluster keeps its sessions"
            )
        ca = str(bus_ca) if bus_ca else None
        make_sessions = functools.partial(ClusterSessions, bus.split(","), ca=ca)

    run_service(
        sock,
        configs,
        on_ready,
        access=access,
        tls=tls,
        max_sessions=max_sessions,
        kept=SessionStore(data_folder() / "sessions.json") if restore else None,
        stops=stops,
        make_sessions=make_sessions,
        root_path=root_path.rstrip("/"),
        end_with_stdin=end_with_stdin,
    )
