"""The configuration of a server of the bus: who may do what, and how records are kept.

A node may send what its sessions decide and answer what it is asked; a gateway may ask, and press
the emergency stop, and can forge no intent. Records are written through to the disk before they are
acknowledged: with the server's own default, two minutes, a power cut loses acknowledged ones.
The servers tell nodes of a connection that ended, so that they need no account of the system's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from volition.errors import ConfigError
from volition.service.cluster.engine import BUCKET

#: What reading and following records takes.
_RECORDS = ("$JS.API.>", "$JS.FC.>", "$JS.ACK.>", "_INBOX.>")
_DISCONNECT = "$SYS.ACCOUNT.VOL.DISCONNECT"


class Place(NamedTuple):
    """Where a server listens, and its fellows.

    Attributes
    ----------
    name
        The server's, which no other has.
    host, port
        Where nodes and gateways reach it.
    store
        Folder of its records.
    routes
        Its fellows as ``HOST:PORT``, where there are any.
    cluster_port
        Where they reach it.
    """

    name: str
    host: str
    port: int
    store: Path
    routes: Sequence[str] = ()
    cluster_port: int = 6222


class ServerTls(NamedTuple):
    """Certificate, key, and who signed the certificates of the others, as PEM files."""

    certificate: Path
    key: Path
    ca: Path


def new_passwords(nodes: Iterable[str]) -> dict[str, str]:
    """Make a password for each node and for ``gateway``."""
    return {name: secrets.token_urlsafe(24) for name in (*nodes, "gateway")}


def server_config(place: Place, passwords: Mapping[str, str], tls: ServerTls | None = None) -> str:
    """Write the configuration of a server.

    Parameters
    ----------
    place
        Where it is.
    passwords
        That of each node by its name, and that of ``gateway``.
    tls
        What it shows and whom it believes; unencrypted when left out.

    Raises
    ------
    ConfigError
        There is no password for the gateways.
    """
    if "gateway" not in passwords:
        raise ConfigError("there is a password for 'gateway', which all gateways have in common")
    users = [_user(name, word) for name, word in passwords.items()]
    settings: dict[str, Any] = {
        "server_name": place.name,
        "host": place.host,
        "port": place.port,
        "ping_interval": "1s",
        "ping_max": 2,
        "jetstream": {"store_dir": str(place.store), "sync_interval": "always"},
        "accounts": {
            "VOL": {
                "jetstream": "enabled",
                "imports": [{"stream": {"account": "SYS", "subject": _DISCONNECT}}],
                "users": users,
            },
            "SYS": {
                "users": [],
                "exports": [{"stream": "$SYS.ACCOUNT.*.DISCONNECT", "account_token_position": 3}],
            },
        },
        "system_account": "SYS",
    }
    if place.routes:
        settings["cluster"] = {
            "name": "volition",
            "listen": f"{place.host}:{place.cluster_port}",
            "routes": [f"nats-route://{one}" for one in place.routes],
        }
    if tls is not None:
        files = {"cert_file": tls.certificate, "key_file": tls.key, "ca_file": tls.ca}
        shown = {name: str(path) for name, path in files.items()}
        settings["tls"] = shown
        if "cluster" in settings:
            settings["cluster"]["tls"] = shown
    return json.dumps(settings, indent=2) + "\n"  # the servers read JSON


def _user(name: str, password: str) -> dict[str, Any]:
    records = f"$KV.{BUCKET}"
    if name == "gateway":
        may_send = ["vol.n.*", "vol.hold.*", f"{records}.session.*", f"{records}.hold.*"]
        may_hear = ["vol.i.*", "vol.b.*", "vol.hold.*", "vol.g.*.*"]
    else:
        may_send = ["vol.i.*", "vol.b.*", "vol.g.*.*", f"{records}.session.*", f"{records}.node.*"]
        may_hear = [f"vol.n.{name}", "vol.hold.*", _DISCONNECT]
    return {
        "user": name,
        "password": password,
        "permissions": {
            "publish": [*may_send, *_RECORDS],
            "subscribe": [*may_hear, "_INBOX.>"],
        },
    }
