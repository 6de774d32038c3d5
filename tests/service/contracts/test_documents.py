"""What the service's two documents say, for those who write clients from them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from volition.service.gateway.app import create_app
from volition.service.gateway.asyncapi import asyncapi_document
from volition.service.gateway.openapi import TAGS


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app().openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for path in document["paths"].values() for call in path.values()]


def test_each_operation_has_a_name_of_its_own_that_a_person_would_choose(
    openapi: dict[str, Any],
) -> None:
    names = [call["operationId"] for call in operations(openapi)]
    assert {"create_session", "send_marker", "emergency_stop", "list_intents"} <= set(names)
    assert max(Counter(names).values()) == 1
    assert not [name for name in names if "__" in name or "v1" in name]


def test_each_operation_has_one_of_the_tags_that_are_explained(openapi: dict[str, Any]) -> None:
    explained = {tag["name"] for tag in TAGS}
    assert [tag["name"] for tag in openapi["tags"]] == [tag["name"] for tag in TAGS]
    assert all(len(call["tags"]) == 1 for call in operations(openapi))
    assert {call["tags"][0] for call in operations(openapi)} == explained


def test_no_two_components_share_a_title_and_no_property_has_one(openapi: dict[str, Any]) -> None:
    for document in (openapi, asyncapi_document("1")):
        schemas = document["components"]["schemas"]
        assert {schema["title"] for schema in schemas.values()} == set(schemas)
        assert not [
            (name, key)
            for name, schema in schemas.items()
            for key, one in schema.get("properties", {}).items()
            if "title" in one
        ]
        assert not [name for name in schemas if "__" in name or "-" in name]


def test_what_an_intent_always_carries_is_required_in_both_documents(
    openapi: dict[str, Any],
) -> None:
    for document in (openapi, asyncapi_document("1")):
        required = document["components"]["schemas"]["CursorIntent"]["required"]
        assert {"type", "kind", "seq", "epoch", "expires_s", "t_sample"} <= set(required)


def test_what_a_request_may_leave_out_is_not_required(openapi: dict[str, Any]) -> None:
    assert openapi["components"]["schemas"]["MarkerBody"]["required"] == ["name"]
    assert "history_s" not in openapi["components"]["schemas"]["SessionConfig"]["required"]


def test_a_default_that_is_an_object_is_told_in_words(openapi: dict[str, Any]) -> None:
    regression = openapi["components"]["schemas"]["WienerSettings"]["properties"]["regression"]
    assert "default" not in regression
    assert '"kind": "linear"' in regression["description"]
