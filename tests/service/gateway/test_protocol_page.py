"""docs/protocol.md tells of everything that is served, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route, WebSocketRoute

from volition.service.gateway.app import MAX_FRAME_BYTES, create_app
from volition.service.gateway.auth import TICKET_S, declared_role
from volition.service.gateway.guard import Limits
from volition.service.wire import problems
from volition.service.wire.messages import client_message_adapter, server_message_adapter


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources(repository: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in (repository / "service").rglob("*.py"))


def test_every_call_and_its_role_is_in_the_table_and_no_other(page: str) -> None:
    told = set(re.findall(r"^\| `([A-Z]+) ([^?`]+)[^`]*` \| (\w+) \|", page, re.MULTILINE))
    served = {
        (method, route.path, str(declared_role(route)))
        for route in create_app().routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    assert told == served


def test_every_socket_is_told_of(page: str) -> None:
    sockets = [route.path for route in create_app().routes if isinstance(route, WebSocketRoute)]
    section = page.partition("## WebSocket")[2].partition("\n## ")[0]
    assert sockets
    assert all(f"`{path}`, upgraded" in section for path in sockets)


@pytest.mark.parametrize(
    ("adapter", "heading"),
    [
        (server_message_adapter, "The service sends:"),
        (client_message_adapter, "The client may send:"),
    ],
)
def test_every_message_is_in_its_table_and_no_other(page: str, adapter: Any, heading: str) -> None:
    table = page.partition(heading)[2].strip().partition("\n\n")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) - {"type"}
    assert told == set(adapter.json_schema()["discriminator"]["mapping"])


def test_every_error_is_told_of_with_its_status(page: str, sources: str) -> None:
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", page, re.MULTILINE)
    told = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\S+)`", codes)}
    raised = {(status, code) for code, (status, _) in problems.STATUS.items()}
    answered = {
        (int(status), code)
        for status, code in re.findall(r'problem\(\s*(\d{3}),\s*"([a-z-]+)"', sources)
    }
    framework = set(problems._HTTP_CODES.items())
    assert told == raised | answered | framework | {(401, "unauthorized")}


def test_the_limits_are_told_as_they_are(page: str) -> None:
    limits = Limits()
    assert limits.body_bytes == 1 << 20
    assert "1 MiB" in page
    assert f"({limits.upload_bytes >> 20} MiB for a model)" in page
    assert f"more than {limits.body_values} values" in page
    assert f"more than {limits.reads_share * 100:g} % of the service's time" in page
    assert f"takes more than {limits.changes_share * 100:g} %" in page
    assert MAX_FRAME_BYTES == 64 << 10
    assert "64 KiB" in page
    assert f"within {TICKET_S:g} s" in page
    assert f"{limits.changes_per_s:g} changes a second ({limits.changes_at_once} at once)" in page
    assert f"{limits.clients_per_session} of a session, {limits.clients} in all" in page


def test_the_tests_and_files_that_the_threat_model_names_are_there(repository: Path) -> None:
    text = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|service|decoders|\.ci)/[^`]*)`", text)
    assert len(named) > 10
    assert all((repository / name).exists() for name in named)
