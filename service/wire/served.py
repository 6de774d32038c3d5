"""The messages that hold settings, as the service has them: with every installed stage and decoder.

OpenAPI, AsyncAPI and the checks of requests are made from these; a client has them with plain data
in the place of settings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from volition.service.sessions.config import AnyDecoderSettings, SessionConfig
from volition.service.wire import calibrations, messages, models, sessions
from volition.service.wire.strictness import Answer


class ModelChoice(models.ModelChoice[AnyDecoderSettings]):
    """What is to decode: a model, with the settings that it was made with or these."""


class CalibrationBody(calibrations.CalibrationBody[AnyDecoderSettings]):
    """What is to be calibrated, and on what."""


class SessionView(sessions.SessionView[SessionConfig]):
    """A session: where it stands, and what it was told to do."""


class SessionList(Answer):
    sessions: list[SessionView]


class Hello(messages.Hello[SessionConfig]):
    """The first message: where the session stands."""


ServerMessage = Annotated[Hello | messages.LaterMessage, Field(discriminator="type")]

server_message_adapter: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
