"""The address that the service listens on.

It is bound before anything else starts, so that a taken port is one clear sentence. An address
beyond loopback is refused: nothing but loopback may be served without a token.
"""

from __future__ import annotations

import ipaddress
import socket
import sys

from streams.errors import ConfigError, VolitionError

DEFAULT_PORT = 8765


class PortTakenError(VolitionError):
    """The address cannot be bound."""

    code = "port"


def bind(host: str, port: int) -> socket.socket:
    """Bind a loopback address; port 0 takes a free one.

    Raises
    ------
    ConfigError
        The address is not of the loopback interface.
    PortTakenError
        Something listens there already.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ConfigError(f"host {host!r} is not an IP address or localhost") from None
    if not address.is_loopback:
        raise ConfigError(
            f"refusing to listen on {host}: beyond loopback a token is needed, and this version "
            "has none; use 127.0.0.1 and a reverse proxy that authenticates"
        )
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there the option would let two services share the port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((str(address), port))
    except OSError as error:
        sock.close()
        raise PortTakenError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with --port"
        ) from None
    return sock
