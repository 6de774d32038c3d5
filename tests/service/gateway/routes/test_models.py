"""Models over REST: the real application, no session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from volition.decoders.fitting.fitted import load_model
from volition.service.client import ApiError, AsyncClient
from volition.service.gateway.app import create_app

LABELS = [str(i + 1) for i in range(10)]
CARD = {"kind": "kalman", "input": {"rate_hz": 10, "labels": LABELS}, "licence": "MIT"}


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncClient]:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    app = create_app()
    async with app.router.lifespan_context(app), AsyncClient("http://127.0.0.1:8765") as client:
        await client._http.aclose()
        client._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8765"
        )
        yield client


@pytest.fixture(scope="module")
def content() -> bytes:
    return load_model("flint-run1-kalman").to_bytes()


async def refused(call: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call  # type: ignore[misc]  # a coroutine of any answer
    return caught.value


async def test_a_model_is_uploaded_listed_shown_and_removed(
    client: AsyncClient, content: bytes
) -> None:
    shipped = await client.models()
    assert {one.origin for one in shipped} == {"shipped"}
    made = await client.add_model("mine", content, CARD)
    assert (made.number, made.licence, made.origin) == (1, "MIT", "upload")
    assert len(await client.models()) == len(shipped) + 1
    assert await client.model_versions("mine") == [made]
    assert await client.model("mine", made.version) == made
    assert await client.model_content("mine", made.version) == content
    await client.remove_model("mine", made.version)
    await client.remove_model("mine", made.version)
    await client.remove_model("mine")
    assert await client.models() == shipped


async def test_an_upload_that_is_not_what_it_says_is_refused_and_leaves_nothing(
    client: AsyncClient, content: bytes, tmp_path: Path
) -> None:
    wrong = {**CARD, "input": {"rate_hz": 10, "n_channels": 3}}
    for error in (
        await refused(client.add_model("mine", content, {**CARD, "kind": "etrca"})),
        await refused(client.add_model("mine", content, wrong)),
        await refused(client.add_model("mine", content[:100], CARD)),
    ):
        problem = error.fields["problem"]
        assert (problem["status"], problem["type"]) == (422, "urn:volition:problem:model")
    unknown = await refused(client.add_model("mine", content, {**CARD, "colour": "red"}))
    assert unknown.fields["problem"]["errors"][0]["path"] == "card.colour"
    assert not (tmp_path / "models").exists()


async def test_what_ships_is_read_only_and_what_is_not_there_is_named(
    client: AsyncClient, content: bytes
) -> None:
    name = "flint-run1-kalman"
    version = load_model(name).version
    for error in (
        await refused(client.add_model(name, content, CARD)),
        await refused(client.remove_model(name)),
        await refused(client.remove_model(name, version)),
    ):
        assert error.fields["problem"]["type"].endswith(":read-only-model")
    missing = await refused(client.model("nothing", version))
    assert missing.fields["problem"]["type"].endswith(":no-model")


async def test_a_session_that_names_a_model_that_is_not_there_is_refused(
    client: AsyncClient,
) -> None:
    config = {
        "stream": {"name": "x"},
        "decoder": {"kind": "kalman", "model": "nothing@" + "0" * 12},
    }
    error = await refused(client.create_session(config))
    assert error.fields["status"] == 422
    assert "decoder.model: there is no model 'nothing'" in error.message
