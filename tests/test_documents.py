"""What the documents show holds: session files, calls, programs and commands."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from volition.service import cli
from volition.service.gateway.app import create_app
from volition.service.sessions.config import SessionConfig

DOCS = Path(__file__).resolve().parents[1]
PAGES = sorted([*(DOCS / "docs").glob("*.md"), DOCS / "README.md", DOCS / "SECURITY.md"])
#: The rest of a session that a document shows in part.
REST: dict[str, Any] = {
    "stream": {"type": "EEG"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 8}, {"label": "b", "freq_hz": 9}],
    },
}


def blocks(language: str) -> list[Any]:
    """Give each block of a language in each page, named by page and line."""
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for block in re.finditer(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[1], id=f"{path.name}:{line}"))
    return found


def commands(block: str, program: str) -> Iterator[list[str]]:
    """Give the commands of a program in a shell block, each cut into words."""
    text = re.sub(r"(^|\s)#.*", "", block)
    for line in re.finditer(r"(?:[^\\\n']|'[^']*'|\\\n)+", text):
        words = shlex.split(line[0].replace("\\\n", " "))
        if words and Path(words[0]).name == program:
            yield words


@functools.cache
def openapi() -> dict[str, Any]:
    return create_app().openapi()


def shows_a_session(block: str) -> bool:
    shown = yaml.safe_load(block)
    return isinstance(shown, dict) and set(shown) <= set(SessionConfig.model_fields)


@pytest.mark.parametrize("block", [one for one in blocks("yaml") if shows_a_session(one.values[0])])
def test_a_session_file_that_a_page_shows_is_one(block: str) -> None:
    SessionConfig.model_validate(REST | yaml.safe_load(block))


@pytest.mark.parametrize("block", blocks("sh"))
def test_a_command_that_a_page_shows_has_these_options(block: str) -> None:
    for words in commands(block, "volition"):
        command: Any = typer.main.get_command(cli.app())
        rest = words[1:]
        while isinstance(command, TyperGroup):
            assert rest, words
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        given = {word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1}
        assert given <= known | {"--help"}, words


@pytest.mark.parametrize("block", blocks("sh"))
def test_a_call_that_a_page_shows_is_one_of_the_service_with_such_a_body(block: str) -> None:
    for words in commands(block, "curl"):
        if not any(":8765" in word for word in words):
            continue
        method, path, body = curl(words)
        found = [
            (known, call)
            for known, calls in openapi()["paths"].items()
            for called, call in calls.items()
            if called == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)
        ]
        assert found, words
        if body is not None:
            schema = found[0][1]["requestBody"]["content"]["application/json"]["schema"]
            whole = schema | {"components": openapi()["components"]}
            jsonschema_rs.validator_for(whole).validate(body)


def curl(words: list[str]) -> tuple[str, str, Any]:
    """Give the method, the path and the body of a call by curl."""
    body = next((json.loads(b) for a, b in itertools.pairwise(words) if a == "-d"), None)
    method = next((b for a, b in itertools.pairwise(words) if a == "-X"), None)
    url = next(word for word in words if ":8765" in word)
    path = "/" + url.partition(":8765")[2].lstrip("/").partition("?")[0]
    return (method or ("GET" if body is None else "POST")).lower(), path, body


@pytest.mark.parametrize("block", blocks("python"))
def test_a_program_that_a_page_shows_is_python_and_imports_what_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("volition."):
            module = importlib.import_module(str(node.module))
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []
