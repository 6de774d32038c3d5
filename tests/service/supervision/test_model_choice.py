"""What belongs to a session outlasts a change of its model, and the answer says what changed."""

from __future__ import annotations

from typing import Any

import pytest

from volition.models.manifest import Manifest
from volition.service.sessions.config import parse_config
from volition.service.supervision.model_choice import (
    changed_settings,
    settings_for_manifest,
    settings_of,
)
from volition.service.supervision.session import Session
from volition.service.wire.served import ModelChoice

TARGETS = [{"label": "a", "freq_hz": 9.0}, {"label": "b", "freq_hz": 12.0}]


@pytest.fixture
async def session() -> Session:
    decoder = {
        "kind": "fbcca",
        "targets": TARGETS,
        "trigger": "sliding",
        "step_s": 0.2,
        "expires_s": 0.4,
    }
    return Session("s", parse_config({"stream": {"name": "x"}, "decoder": decoder}))


def manifest(**decoder: Any) -> Manifest:
    return Manifest(
        kind="tdca",
        decoder={"kind": "tdca", "targets": TARGETS, "window_s": 1.0, **decoder},
        name="me",
        version="0" * 12,
        number=1,
        format="npz",
        sha256="0" * 64,
        bytes=1,
        made_utc=0.0,
        origin="calibration",
    )


async def test_a_sliding_session_goes_on_sliding_by_a_model_that_was_made_for_markers(
    session: Session,
) -> None:
    stopping = {"rule": "margin", "threshold": 0.9, "min_s": 0.5, "step_s": 0.1}
    for model in (manifest(), manifest(stopping=stopping)):
        wanted = settings_for_manifest(session, model)
        plain = wanted.model_dump()
        assert (plain["kind"], plain["window_s"]) == ("tdca", 1.0)
        assert (plain["trigger"], plain["step_s"], plain["expires_s"]) == ("sliding", 0.2, 0.4)
        assert plain["stopping"] is None


async def test_what_is_given_with_the_choice_is_taken(session: Session) -> None:
    decoder = {"kind": "cca", "targets": TARGETS, "trigger": "markers", "expires_s": 2.0}
    choice = ModelChoice.model_validate({"decoder": decoder})
    plain = settings_of(session, choice).model_dump()
    assert (plain["trigger"], plain["expires_s"], plain["step_s"]) == ("markers", 2.0, 0.2)


async def test_what_the_model_cannot_do_is_left_to_it(session: Session) -> None:
    decoder = {
        "kind": "fbcca",
        "targets": TARGETS,
        "expires_s": 0.4,
        "destructive": ["b"],
    }
    other = Session("s", parse_config({"stream": {"name": "x"}, "decoder": decoder}))
    targets = [{"label": "c", "freq_hz": 9.0}, {"label": "d", "freq_hz": 12.0}]
    plain = settings_for_manifest(other, manifest(targets=targets)).model_dump()
    assert (plain["destructive"], plain["expires_s"]) == ([], 0.4)


async def test_the_answer_names_the_settings_that_are_others(session: Session) -> None:
    wanted = settings_for_manifest(session, manifest())
    changed = {
        one.setting: (one.before, one.now)
        for one in changed_settings(session.config.decoder, wanted)
    }
    assert changed["window_s"] == (3.0, 1.0)
    assert not {"kind", "model", "trigger", "targets"} & set(changed)
