"""The messages that hold settings, as the service has them.

Settings are those of every installed stage, decoder and output. OpenAPI, AsyncAPI and the checks of
requests are made from these; a client has them with plain data in the place of settings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from volition.service.sessions.config import AnyDecoderSettings, SessionConfig
from volition.service.wire import calibrations, messages, models, sessions
from volition.service.wire.strictness import Answer


class ModelChoice(models.ModelChoice[AnyDecoderSettings]):
    """What to decode with: a model, with its own settings or with these."""


class CalibrationBody(calibrations.CalibrationBody[AnyDecoderSettings]):
    """What to calibrate, and with which data."""


class SessionView(sessions.SessionView[SessionConfig]):
    """A session: its state and its configuration."""


class SessionList(Answer):
    sessions: list[SessionView]


class Hello(messages.Hello[SessionConfig]):
    """The first message: the state of the session."""


ServerMessage = Annotated[Hello | messages.LaterMessage, Field(discriminator="type")]

server_message_adapter: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
