"""Whose settings a message holds: those of a client, or those of the service.

The service knows every stage and decoder that is installed beside it and checks settings against
them (`volition.service.wire.served`). A client takes settings as the plain data that they are: it
loads no decoder, and it can read a session whose stages and decoder are installed on the service
alone.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

#: A session's configuration; plain data when left out.
ConfigT = TypeVar("ConfigT", default=dict[str, Any])
#: A decoder's settings; plain data when left out.
DecoderT = TypeVar("DecoderT", default=dict[str, Any])
