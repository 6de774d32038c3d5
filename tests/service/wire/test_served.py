"""The same messages, with a client's plain settings and with the service's checked ones."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from volition.service.sessions.config import load_config
from volition.service.sessions.states import SessionState
from volition.service.wire import calibrations, messages, served, sessions


def test_a_client_reads_as_plain_data_what_the_service_wrote_from_its_models() -> None:
    config = load_config("fbcca-exo")
    hello = served.Hello(
        session="one",
        state=SessionState.RUNNING,
        held=False,
        epoch=1,
        last_seq=0,
        lsl_time=0.0,
        config=config,
    )
    read = messages.server_message_adapter.validate_json(hello.model_dump_json())

    assert isinstance(read, messages.Hello)
    assert read.config == config.model_dump(mode="json")


def test_the_service_checks_the_settings_that_a_client_takes_as_they_are() -> None:
    asked = {"name": "mine", "decoder": {"kind": "no-such-decoder"}}

    assert calibrations.CalibrationBody.model_validate(asked).decoder == asked["decoder"]
    with pytest.raises(ValidationError, match="no-such-decoder"):
        served.CalibrationBody.model_validate(asked)


def test_the_service_describes_settings_by_kind_and_a_client_as_any_object() -> None:
    described = served.SessionView.model_json_schema()
    plain = sessions.SessionView.model_json_schema()

    assert described["title"] == plain["title"] == "SessionView"
    assert described["properties"]["config"] == {"$ref": "#/$defs/SessionConfig"}
    assert plain["properties"]["config"]["type"] == "object"
