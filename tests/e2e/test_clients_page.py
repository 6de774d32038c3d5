"""The commands of docs/clients.md lead from nothing to a session, and to the two documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.documents import Document, Shell
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.wire.messages import Status


@pytest.mark.slow
def test_the_commands_of_the_page_on_clients_lead_to_a_session(
    repository: Path, tmp_path: Path
) -> None:
    page = Document(repository / "docs" / "clients.md")
    simulate, serve, start = page.lines()
    assert serve == "volition serve"
    with (
        running_service(env={"VOLITION_DATA": str(tmp_path)}) as service,
        Shell(tmp_path, {}).running(*simulate.split()),
    ):
        id_ = Shell(repository, {}).run(f"{start} {service.url}").split()[0]
        with Client(service.url) as client, client.subscribe(id_, after=0) as messages:
            assert any(isinstance(one, Status) and one.state == "running" for one in messages)


def test_its_two_documents_are_written_without_a_service(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "clients.md").read_text(encoding="utf-8")
    written = re.findall(r"`(volition \w+ > (\w+\.json))`", text)
    assert [file for _, file in written] == ["openapi.json", "asyncapi.json"]
    for line, file in written:
        Shell(tmp_path, {}).run(line)
        assert json.loads((tmp_path / file).read_text(encoding="utf-8"))["info"]["title"]
