"""A setting that may name a file of the host says so by its type, in every kind there is."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.service.gateway.asgi import Call, ask, bearer, running
from volition.decoders import registry
from volition.decoders.contract.settings import FileName, Settings, named_files
from volition.decoders.fitting.fitted import load_model
from volition.decoders.fitting.network import load_network
from volition.errors import ModelError
from volition.service.gateway.app import create_app
from volition.service.gateway.auth import Authority, Role, TokenFile
from volition.service.gateway.guard import Access
from volition.service.sessions.outputs import outputs

KINDS: dict[str, Any] = {**registry.stages(), **registry.decoders_by_kind(), **outputs()}


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in typing.get_args(annotation):
        yield from parts(one)


def fields_of(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, Any, str]]:
    """Give each field of settings, however deep, with its types and description."""
    for name, field in model.model_fields.items():
        types = list(parts(field.annotation))
        yield f"{place}{name}", types, field.description or ""
        for one in types:
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from fields_of(one, f"{place}{name}.")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_setting_that_speaks_of_a_path_or_a_file_is_a_file_name(kind: str) -> None:
    for place, types, description in fields_of(KINDS[kind].settings_model):
        if re.search(r"\b([Pp]ath|[Ff]iles?|[Ff]older|[Dd]irectory)\b", description):
            assert FileName in types, place


def file_settings() -> list[tuple[str, str]]:
    return [
        (kind, place)
        for kind, cls in KINDS.items()
        for place, types, _ in fields_of(cls.settings_model)
        if FileName in types
    ]


def test_those_that_can_be_named_are_known() -> None:
    assert {("atat", "transformer"), ("dnn", "network"), ("recurrent", "network")} <= set(
        file_settings()
    )


def with_file(settings: dict[str, Any], place: list[str], value: str) -> dict[str, Any]:
    """Put a file's name in its place; one that lies in a choice of kinds is of the kind `file`."""
    first, *rest = place
    if not rest:
        return {**settings, first: value}
    if rest == ["path"]:
        return {**settings, first: {"kind": "file", "path": value}}
    return {**settings, first: with_file(settings[first], rest, value)}


def session_with(kind: str, place: str, value: str) -> dict[str, Any]:
    example = next(iter(registry.examples_of(KINDS[kind])))
    settings = with_file(example.settings.model_dump(mode="json"), place.split("."), value)
    targets = [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 11}]
    fbcca = {"kind": "fbcca", "targets": targets}
    body: dict[str, Any] = {"stream": {"type": "EEG"}, "stages": [], "decoder": fbcca}
    if kind in registry.stages():
        return {**body, "stages": [{"kind": "notch", "freq_hz": 50}, settings]}
    if kind in outputs():
        return {**body, "outputs": [settings]}
    return {**body, "decoder": settings}


@pytest.mark.parametrize(("kind", "place"), file_settings())
async def test_control_names_no_file_and_does_not_learn_whether_it_exists(
    kind: str, place: str, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    secret = tokens.make("operator", Role.CONTROL)
    there = tmp_path / "there.npz"
    there.write_bytes(b"secret")
    async with running(create_app(Access(Authority(tokens.path)))) as app:
        answers = []
        for path in (there, tmp_path / "gone.npz"):
            session = session_with(kind, place, str(path))
            answers.append(await ask_with(app, secret, "POST", "/v1/sessions", session))
        told = [one.body.decode().replace("there.npz", "gone.npz") for one in answers]
        assert told[0] == told[1]
        # Some settings refuse a model beside what else their example holds.
        assert answers[0].status in (403, 422)
        assert answers[0].status == 403 or place == "model"
        assert place in told[0]


async def ask_with(app: Any, secret: str, method: str, path: str, body: Any) -> Any:
    headers = {"authorization": bearer(secret), "content-type": "application/json"}
    return await ask(
        app, Call("http", method, f"{path}?", None), json.dumps(body).encode(), **headers
    )


REACHING = sorted(kind for kind, one in outputs().items() if one.settings_model.reaches)


def test_all_outputs_but_those_of_lsl_and_recordings_reach_beyond_the_service() -> None:
    assert {"lsl", "record"} == set(outputs()) - set(REACHING)


@pytest.mark.parametrize("kind", REACHING)
async def test_control_asks_for_no_output_that_reaches_beyond_the_service(
    kind: str, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    secret = tokens.make("operator", Role.CONTROL)
    example = next(iter(registry.examples_of(KINDS[kind]))).settings.model_dump(mode="json")
    body = {**session_with("bandpass", "low_hz", "1"), "outputs": [{"kind": "lsl"}, example]}
    body["stages"] = []
    async with running(create_app(Access(Authority(tokens.path)))) as app:
        answer = await ask_with(app, secret, "POST", "/v1/sessions", body)
    assert answer.status == 403
    told = json.loads(answer.body)["detail"]
    assert told.startswith("outputs[1]")
    assert re.search(r"the role admin alone(, | may ask for, )found control", told)


class PluginSettings(Settings):
    """Settings of a plugin whose author forgot to say that a text names a file."""

    kind: str = "plugin"
    table: str = "x"


def test_a_setting_that_is_a_plain_text_opens_no_file(tmp_path: Path) -> None:
    path = load_model("flint-run1-kalman").save(tmp_path / "mine")
    settings = PluginSettings(table=str(path))
    with pytest.raises(ModelError, match="no model file"):
        load_model(settings.table)
    with pytest.raises(ModelError, match="none of that name ships"):
        load_network(settings.table)
    assert load_model(FileName(path)).version == load_model(path).version


@pytest.mark.parametrize("name", ["../x", "a/b", "C:\\x", "x.npz", "~", ".", "..", "a@b", " ", "ä"])
def test_what_is_not_surely_a_name_counts_as_a_path(name: str) -> None:
    assert list(named_files({"stages": [{"deep": (FileName(name),)}]})) == [
        ("stages[0].deep[0]", name)
    ]


@pytest.mark.parametrize("name", ["fbcca", "my_model-2", "mine@0123456789ab"])
def test_a_name_is_no_path(name: str) -> None:
    assert not list(named_files([FileName(name)]))


def test_a_file_name_is_bounded() -> None:
    class One(BaseModel):
        file: FileName

    for wrong in ("", "x" * 1025, 3):
        with pytest.raises(ValidationError):
            One.model_validate({"file": wrong})
