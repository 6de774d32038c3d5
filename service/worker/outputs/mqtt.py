"""Intents as messages of an MQTT broker, for homes, robots and the Internet of Things.

Where rules say what is published and one of them is for idle, its message is the link's will too:
the broker publishes it by itself when the worker, or its host, is gone.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from volition.decoders.contract.intent import IdleIntent, Intent
from volition.decoders.contract.settings import FileName
from volition.service.sessions.intent_rules import IntentRule, IntentText, filled, first_met
from volition.service.sessions.outputs import OutputSettings
from volition.service.worker.outputs.mqtt_link import Message, MqttLink
from volition.service.worker.outputs.sending import SendingOutput, secret_in


class MqttRule(IntentRule):
    """Which intents become which message."""

    topic: IntentText = Field(
        min_length=1, pattern=r"^[^+#\x00]*$", description="Topic, such as home/{label}."
    )
    payload: IntentText = Field(default="", description='Payload, such as "ON" or "{confidence}".')


class MqttOutputSettings(OutputSettings):
    """Publish intents on an MQTT broker."""

    kind: Literal["mqtt"] = "mqtt"
    reaches: ClassVar[str] = "sends over the network"
    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Broker.")
    port: int = Field(default=1883, ge=1, le=65535, description="Its port; 8883 is usual for TLS.")
    tls: bool = Field(default=False, description="Whether the link is encrypted.")
    username: str | None = Field(
        default=None, max_length=256, description="Who the broker is told."
    )
    password_file: FileName | None = Field(
        default=None, description="File that holds the password, and nothing else."
    )
    topic: str = Field(
        default="volition/{session}/{kind}",
        pattern=r"^[^+#\x00]+$",
        max_length=256,
        description="Topic of the JSON of each intent, where there are no rules; {session} and "
        "{kind} are filled in.",
    )
    rules: list[MqttRule] = Field(
        default_factory=list,
        max_length=256,
        description="Which intents become which message: the first that fits. When left out, each "
        "intent's JSON under `topic`.",
    )

    @model_validator(mode="after")
    def _password_is_of_somebody(self) -> MqttOutputSettings:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a username")
        return self


class MqttOutput(SendingOutput[MqttOutputSettings]):
    """Messages of one MQTT broker, each sent at most once."""

    settings_model = MqttOutputSettings

    _link: MqttLink | None = None

    @property
    def _address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    @property
    def _tells_expiry(self) -> bool:
        return not self.settings.rules

    def _connect(self) -> None:
        settings = self.settings
        self._link = MqttLink(
            settings.host,
            settings.port,
            tls=settings.tls,
            client_id=f"volition-{self._context.session}",
            username=settings.username,
            password=secret_in(settings.password_file),
            will=self._will(),
        )

    def _will(self) -> Message | None:
        gone = IdleIntent(reason="missing_samples", session=self._context.session, t_sample=0.0)
        return self._message_of(b"", gone) if self.settings.rules else None

    def tend(self) -> None:
        if self._link is not None:
            try:
                self._link.tend()
            except OSError as error:
                self._broke(error)
        super().tend()

    def _send(self, encoded: bytes, intent: Intent) -> bool:
        message = self._message_of(encoded, intent)
        if message is None:
            return False
        assert self._link is not None
        self._link.publish(message)
        return True

    def _message_of(self, encoded: bytes, intent: Intent) -> Message | None:
        if not self.settings.rules:
            named = self.settings.topic.replace("{session}", self._context.session)
            return Message(named.replace("{kind}", intent.kind), encoded)
        rule = first_met(self.settings.rules, intent)
        if rule is None:
            return None
        topic = filled(rule.topic, intent)
        if any(one in topic for one in "+#\0"):
            raise LookupError(f"a topic may not hold + or #, as {topic!r} does")
        return Message(topic, filled(rule.payload, intent).encode())

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close(farewell=not self._error)
            self._link = None
