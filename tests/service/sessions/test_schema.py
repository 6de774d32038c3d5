"""The schema of a session's configuration says what a form needs."""

from __future__ import annotations

from typing import Any

import pytest

from volition.service.sessions.config import SessionConfig, load_config, preset_names
from volition.service.sessions.kinds import Kind, known_kinds
from volition.service.sessions.schema import session_schema

CONFIGURED = [one for one in known_kinds() if one.family != "datasets"]


def described(family: str, kind: str) -> dict[str, Any]:
    schema = session_schema()
    places = schema["properties"]
    union = {
        "stages": places["stages"]["items"],
        "decoders": places["decoder"],
        "outputs": places["outputs"]["anyOf"][0]["items"],
    }[family]
    name = union["discriminator"]["mapping"][kind].rpartition("/")[2]
    found: dict[str, Any] = schema["$defs"][name]
    return found


@pytest.mark.parametrize("one", CONFIGURED, ids=lambda one: f"{one.family} {one.kind}")
def test_whatever_can_be_chosen_says_what_it_does_and_brings_settings_that_run(one: Kind) -> None:
    found = described(one.family, one.kind)
    assert found["description"] == one.summary
    (example,) = found["examples"]
    assert example["kind"] == one.kind


def test_every_key_of_a_session_is_there() -> None:
    assert set(session_schema()["properties"]) == set(SessionConfig.model_fields)


def test_what_ships_names_only_what_the_schema_has() -> None:
    for name in preset_names():
        written = load_config(name).model_dump(mode="json", exclude_unset=True)
        assert written.keys() <= session_schema()["properties"].keys()
