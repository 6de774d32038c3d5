"""The reference names everything that there is, and says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from volition import errors
from volition.service import cli
from volition.service.cli.reference import configuration, pages, schemas
from volition.service.gateway.app import create_app
from volition.service.sessions.config import preset_names
from volition.service.sessions.schema import session_schema


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return {name: write() for name, write in pages().items()}


def names_of(command: Any, path: str = "volition") -> Iterator[str]:
    """Give the whole name of each command."""
    if isinstance(command, TyperGroup):
        for name, one in command.commands.items():
            yield from names_of(one, f"{path} {name}")
    else:
        yield path


def section(page: str, title: str) -> str:
    """Give a section of a page, to the next title."""
    return re.split(r"^#", page.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_configuration_has_every_key_of_the_schema(written: dict[str, str]) -> None:
    schema, page = session_schema(), written["configuration"]
    titles = {title.lower(): title for title in re.findall(r"^#+ (\S+)$", page, re.MULTILINE)}
    places = configuration.anchors_of(schema)

    missing = [
        (name, key)
        for name, one in (schema["$defs"] | {"Session": schema}).items()
        for key in one.get("properties", ())
        if f"| `{key}` |" not in section(page, titles[places.get(name, "session")])
    ]

    assert missing == []
    assert "| number, > 0, ≤ 60 | `3.0` |" in section(page, "fbcca")


def test_every_command_has_its_options(written: dict[str, str]) -> None:
    commands = list(names_of(typer.main.get_command(cli.app())))

    assert len(commands) > 20
    assert [name for name in commands if f"\n## {name}\n" not in written["commands"]] == []
    assert "| `--session" in section(written["commands"], "volition serve")


def test_every_call_has_its_parameters_and_answers(written: dict[str, str]) -> None:
    calls = [
        f"{method.upper()} {path}"
        for path, methods in create_app().openapi()["paths"].items()
        for method in methods
    ]

    assert [call for call in calls if f"\n### {call}\n" not in written["http"]] == []
    intents = section(written["http"], "GET /v1/sessions/{id}/intents")
    assert "| `after` | query | integer, ≥ 0 | Only intents after this number. |" in intents
    assert "| 410 | [Problem](#problem) |" in intents


def test_each_message_of_the_sockets_has_its_fields(written: dict[str, str]) -> None:
    selection = section(written["sockets"], "SelectionIntent")

    assert "| `seq` | integer" in selection
    assert "| `expires_s` | number" in selection


def test_every_error_of_the_tree_has_its_code(written: dict[str, str]) -> None:
    assert "| `config` | 422, The configuration is wrong | 3 |" in written["errors"]
    ours = [one for one in _tree(errors.VolitionError) if one.__module__.startswith("volition.")]
    assert [one.code for one in ours if f"| `{one.code}` |" not in written["errors"]] == []


def _tree(error: type[errors.VolitionError]) -> Iterator[type[errors.VolitionError]]:
    yield error
    for one in error.__subclasses__():
        yield from _tree(one)


def test_metrics_and_presets_are_all_there(written: dict[str, str]) -> None:
    assert "| `volition_samples_total` | counter |" in written["metrics"]
    assert [name for name in preset_names() if f"\n## {name}\n" not in written["presets"]] == []


def test_a_link_within_a_page_leads_to_a_title_of_it(written: dict[str, str]) -> None:
    for name, page in written.items():
        titles = {title.lower() for title in re.findall(r"^#+ (\S+)$", page, re.MULTILINE)}
        targets = set(re.findall(r"\]\(#([^)]+)\)", page))
        assert targets <= titles, name


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 5}, "number, > 0, ≤ 5"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"enum": ["a", "b|c"]}, '`"a"`, `"b\\|c"`'),
        ({"$ref": "#/$defs/Target"}, "[Target](#target)"),
        (
            {"type": "object", "additionalProperties": {"type": "number"}},
            "mapping of names to number",
        ),
        ({}, "anything"),
    ],
)
def test_a_value_is_said_in_words(schema: dict[str, Any], said: str) -> None:
    assert schemas.value(schema) == said


def test_the_command_prints_one_page_or_writes_all(tmp_path: Path) -> None:
    run = CliRunner().invoke

    assert run(cli.app(), ["reference"]).stdout.split() == list(pages())
    assert run(cli.app(), ["reference", "presets"]).stdout.startswith("# Presets\n")
    assert run(cli.app(), ["reference", "nothing"]).exit_code == 2
    assert run(cli.app(), ["reference", "--out", str(tmp_path / "made")]).exit_code == 0
    assert {path.stem for path in (tmp_path / "made").iterdir()} == set(pages())
