"""A typed client of a running service, blocking and async, for programs that use one.

    with Client("http://127.0.0.1:8765") as client:
        session = client.create_session(config)
        for message in client.follow(session.id):
            ...

Importing it loads no decoder and no part of the server; settings come and go as plain data.
"""

from volition.service.client.call import ApiError
from volition.service.client.client import AsyncClient, Client
from volition.service.client.clock import ServiceClock
from volition.service.client.following import AsyncFollower, Follower
from volition.service.client.stopping import StopReport
from volition.service.client.transport import UnreachableError
from volition.service.wire.calibrations import CalibrationBody
from volition.service.wire.messages import (
    Bye,
    CalibrationMessage,
    CueMessage,
    GapMessage,
    Hello,
    ServerMessage,
    Status,
)

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncFollower",
    "Bye",
    "CalibrationBody",
    "CalibrationMessage",
    "Client",
    "CueMessage",
    "Follower",
    "GapMessage",
    "Hello",
    "ServerMessage",
    "ServiceClock",
    "Status",
    "StopReport",
    "UnreachableError",
]
