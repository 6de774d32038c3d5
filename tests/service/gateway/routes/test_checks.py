"""A headset is checked by REST: what to do now is told, then what each electrode is like."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from tests.service.gateway.asgi import Call, ask, running
from volition.service.gateway.app import create_app
from volition.streams.lsl.discovery import find_one
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal


@pytest.fixture(scope="module")
def uid() -> Iterator[str]:
    """A battery beside the mains."""
    source_id = f"battery-{uuid.uuid4().hex[:8]}"
    signal = SyntheticSignal(4, 250.0, sines=(Sine(50.0, 20.0),), noise_uv=3.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=source_id)):
        yield find_one(source_id=source_id, wait_s=20).uid


@pytest.fixture
async def app() -> AsyncIterator[FastAPI]:
    async with running(create_app()) as made:
        yield made


async def asked(app: FastAPI, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"content-type": "application/json"}
    answer = await ask(app, Call("http", method, path, None), content, **kind)
    return answer.status, json.loads(answer.body) if answer.body else None


async def followed(app: FastAPI, id: str) -> tuple[list[int], dict[str, Any]]:
    """Follow a check to its end; give the steps that were seen, and the last answer."""
    seen: list[int] = []
    while True:
        _, check = await asked(app, "GET", f"/v1/checks/{id}")
        if check["step"] is not None and check["step"] not in seen:
            seen.append(check["step"])
        if check["state"] != "going":
            return seen, check
        await asyncio.sleep(0.05)


async def test_each_step_is_told_when_it_begins_and_then_what_was_found(
    app: FastAPI, uid: str
) -> None:
    status, check = await asked(app, "POST", "/v1/checks", {"uid": uid, "pace": 0.25})
    assert status == 202
    assert (check["state"], check["brain"], check["electrodes"]) == ("going", None, [])
    assert [one["name"] for one in check["steps"]] == ["opened", "closed", "blinking", "clenched"]

    seen, check = await followed(app, check["id"])
    assert check["state"] == "done", check["detail"]
    assert seen == [0, 1, 2, 3]
    assert check["brain"] != "yes"
    assert {one["found"] for one in check["electrodes"]} == {"more hum than signal"}
    assert [one["name"] for one in check["proofs"]] == ["alpha", "blink", "jaw"]
    assert all(len(one["interval"]) == 2 for one in check["proofs"])


async def test_a_stream_that_is_not_there_is_told(app: FastAPI) -> None:
    nobody = str(uuid.uuid4())
    _, check = await asked(app, "POST", "/v1/checks", {"uid": nobody})
    _, check = await followed(app, check["id"])
    assert check["state"] == "failed"
    assert nobody in check["detail"]


async def test_checks_are_bounded_and_one_that_is_cancelled_makes_room(
    app: FastAPI, uid: str
) -> None:
    first = (await asked(app, "POST", "/v1/checks", {"uid": uid}))[1]["id"]
    await asked(app, "POST", "/v1/checks", {"uid": uid})
    assert (await asked(app, "POST", "/v1/checks", {"uid": uid}))[0] == 409
    assert (await asked(app, "DELETE", f"/v1/checks/{first}"))[0] == 204
    assert (await asked(app, "GET", f"/v1/checks/{first}"))[1]["state"] == "cancelled"
    assert (await asked(app, "POST", "/v1/checks", {"uid": uid}))[0] == 202
    assert (await asked(app, "GET", "/v1/checks/check-0"))[0] == 404
