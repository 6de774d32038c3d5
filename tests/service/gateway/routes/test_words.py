"""Words that go on from a text, by REST: of the languages that are there, or why there are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI

from tests.service.gateway.asgi import Call, ask
from volition.decoders.codes.words.lexicon import Lexicon
from volition.errors import ConfigError
from volition.service.gateway.routes import words
from volition.service.wire.problems import install

KNOWN = Lexicon({"hello": 5.0, "help": 3.0, "heap": 1.0, "water": 9.0})


def known(language: str) -> Lexicon:
    if language == "en":
        return KNOWN
    raise ConfigError(f"no words of the language {language!r} are known")


async def asked(query: str) -> tuple[int, dict[str, Any]]:
    app = FastAPI()
    install(app)
    app.router.routes.extend(words.words_router().routes)
    answer = await ask(app, Call("http", "GET", f"/v1/words?{query}", None))
    return answer.status, json.loads(answer.body)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "lexicon", known)


async def test_the_likeliest_words_that_begin_so_come_first() -> None:
    status, body = await asked("begun=HE&most=2")

    assert status == 200
    assert [one["word"] for one in body["words"]] == ["hello", "help"]
    assert body["words"][0]["share"] == pytest.approx(5 / 9)
    assert body["why_none"] == ""


async def test_after_a_space_the_most_usual_words_are_offered() -> None:
    _, body = await asked("begun=")

    assert body["words"][0]["word"] == "water"


async def test_a_language_without_words_says_why() -> None:
    status, body = await asked("language=xx")

    assert (status, body["words"]) == (200, [])
    assert "'xx'" in body["why_none"]


@pytest.mark.parametrize("query", ["most=0", "most=21", "language=english", f"begun={'a' * 65}"])
async def test_a_question_that_is_out_of_bounds_is_refused(query: str) -> None:
    status, _ = await asked(query)

    assert status == 422
