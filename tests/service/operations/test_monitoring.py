"""Dashboard and alerts name metrics and labels that the service has, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from volition.service.cli import app
from volition.service.gateway import metrics
from volition.service.operations.dashboard import dashboard
from volition.service.sessions.config import parse_config
from volition.service.sessions.timing import BUCKETS_S
from volition.service.supervision.session import Session

CONFIG = {
    "stream": {"name": "x"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
    },
}
RECORDING = {"samples": 1, "bytes": 2, "error": "", "lost": 0, "restarts": 0}
ALERTS = (resources.files("volition.service.operations") / "alerts.yaml").read_text("utf-8")
DASHBOARD = dashboard()


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The labels of every metric of a session that has decided, was stopped and is recorded."""
    session = Session("s", parse_config(CONFIG))
    session.word.press("a test", "here")
    steps = {"decode": {"counts": [0] * (len(BUCKETS_S) + 1), "sum_s": 0.0}}
    recording = {"kind": "record", "detail": RECORDING}
    session.counts = {
        "intents_by": [["idle", "held", 3]],
        "steps": steps,
        "outputs": [recording],
    }
    text = metrics.render([session])[0].decode()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS)["groups"][0]["rules"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for choice in DASHBOARD["templating"]["list"]:
        yield choice["name"], choice["query"]


QUERIES = list(queries())


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_every_metric_and_label_that_is_asked_for_is_one_of_the_services(
    name: str, query: str, exposed: dict[str, set[str]]
) -> None:
    asked = re.findall(r"\b(volition_\w+)(?:\{([^}]*)\})?", query)
    assert asked
    for metric, selector in asked:
        assert metric in exposed
        assert set(re.findall(r"(\w+)=~?\"", selector)) <= exposed[metric]
    labels = {label for metric, _ in asked for label in exposed[metric]}
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(re.split(r",\s*", grouped)) <= labels


def test_brackets_of_every_query_close() -> None:
    for name, query in QUERIES:
        bare = re.sub(r'"[^"]*"', "", query)
        for opening, closing in ("()", "[]", "{}"):
            assert bare.count(opening) == bare.count(closing), name


def test_every_alert_says_what_to_do_and_whom_it_wakes() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warning")
        assert {"summary", "description"} == set(rule["annotations"])
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_labels_in_texts_are_those_of_the_alert(exposed: dict[str, set[str]]) -> None:
    for rule in rules():
        metric = re.findall(r"volition_\w+", rule["expr"])[0]
        for text in rule["annotations"].values():
            assert set(re.findall(r"\$labels\.(\w+)", text)) <= exposed[metric], rule["alert"]


def test_panels_have_places_of_their_own() -> None:
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({p["id"] for p in DASHBOARD["panels"]})


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    done = CliRunner().invoke(app(), ["service", "monitoring", str(tmp_path / "watch"), "--json"])
    dashboard_file, alerts_file = map(Path, json.loads(done.stdout)["files"])
    assert json.loads(dashboard_file.read_text()) == DASHBOARD
    assert alerts_file.read_text() == ALERTS
