"""The address that the service listens on.

It is bound before anything else starts, so that a taken port is one clear sentence. An address
beyond loopback is refused unless there is a token: nothing else may be served without one.
"""

from __future__ import annotations

import ipaddress
import socket
import sys

from volition.errors import ConfigError, VolitionError


class PortTakenError(VolitionError):
    """The address cannot be bound."""

    code = "port"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; raise `ConfigError` if it is not one."""
    return _address(host).is_loopback


def bind(host: str, port: int, *, has_tokens: bool = False) -> socket.socket:
    """Bind an address; port 0 takes a free one.

    Parameters
    ----------
    host, port
        Where to listen.
    has_tokens
        Whether the service knows a token and so may listen beyond the loopback interface.

    Raises
    ------
    ConfigError
        It is not an address, or is beyond the loopback interface and there is no token.
    PortTakenError
        Something listens there already.
    """
    address = _address(host)
    if not (address.is_loopback or has_tokens):
        raise ConfigError(
            f"refusing to listen on {host} without a token, since other machines reach it; make "
            "one with 'volition token make --role admin --name NAME', or give VOLITION_TOKEN"
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


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ConfigError(f"host {host!r} is not an IP address or localhost") from None
