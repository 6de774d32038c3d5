"""What is installed is listed, and the page of the documentation says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from volition import extension
from volition.decoders import registry
from volition.service.cli import app
from volition.service.sessions.config import load_config, preset_names, preset_text
from volition.service.sessions.kinds import Kind, as_markdown, known_kinds
from volition.service.sessions.outputs import outputs

KINDS = {one.kind: one for one in known_kinds()}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app(), list(arguments))


def test_the_page_of_kinds_says_what_is_registered(repository: Path) -> None:
    ours = [one for one in known_kinds() if one.distribution == extension.OWN]
    page = (repository / "docs" / "kinds.md").read_text("utf-8")
    assert page == as_markdown(ours), "write it anew: make kinds"


@pytest.mark.parametrize(
    "kind", sorted({*registry.stages(), *registry.decoders_by_kind(), *outputs()})
)
def test_whatever_a_session_names_says_what_it_does_and_how_it_is_written(kind: str) -> None:
    known = KINDS[kind]
    assert known.summary.endswith(".")
    assert known.settings_schema is not None
    assert known.settings_schema["properties"]["kind"]["const"] == kind
    assert yaml.safe_load(known.example or "")["kind"] == kind


def test_a_decoder_says_what_its_trials_name_and_whether_it_is_fitted_to_them() -> None:
    told = {kind: (known.trials, known.calibrated) for kind, known in KINDS.items()}
    assert told["tdca"] == ("targets", True)
    assert told["fbcca"] == ("targets", False)
    assert told["kalman"] == ("positions", True)
    assert told["recurrent"] == ("positions", False)
    assert told["bandpass"] == (None, False)


def test_kinds_are_listed_as_json() -> None:
    found = json.loads(run("kinds", "--json").stdout)
    assert {one["kind"] for one in found["kinds"]} == set(KINDS)
    assert {one["distribution"] for one in found["kinds"]} == {extension.OWN}
    assert found["broken"] == []


def test_kinds_are_listed_for_people() -> None:
    listed = run("kinds").stdout
    assert all(kind in listed for kind in ("bandpass", "fbcca", "kalman"))


def test_a_summary_is_the_first_sentence_of_a_docstring() -> None:
    class Told:
        """Subtract eyes (after A et al. 2001, B et al.) from all.

        A second paragraph is left out.
        """

    assert extension.summary(Told) == "Subtract eyes (after A et al. 2001, B et al.) from all."


def test_presets_are_listed_with_what_they_are_for() -> None:
    found = json.loads(run("presets", "--json").stdout)["presets"]
    assert [one["name"] for one in found] == preset_names()
    assert all(one["about"] for one in found)


def test_a_preset_is_shown_as_the_file_that_it_is(tmp_path: Path) -> None:
    shown = run("presets", "--show", "fbcca-exo").stdout
    assert shown == preset_text("fbcca-exo")
    (tmp_path / "mine.yaml").write_text(shown)
    assert load_config(tmp_path / "mine.yaml") == load_config("fbcca-exo")


def test_a_preset_that_does_not_exist_is_refused_with_those_that_do() -> None:
    refused = run("presets", "--show", "fbca-exo")
    assert refused.exit_code == 2
    assert "there are" in refused.output


def test_decoders_of_one_family_say_what_they_take_over_from_each_other() -> None:
    passed = {kind: set(known.passed_on) for kind, known in KINDS.items()}
    assert {"targets", "delay_s"} <= passed["dnn"]
    assert "n_subbands" in passed["fbcca"] & passed["etrca"] & passed["tdca"] & passed["ecca"]
    assert "n_subbands" not in passed["dnn"] | passed["riemann"]
    assert passed["kalman"] == passed["bandpass"] == set()


@pytest.mark.parametrize("known", KINDS.values(), ids=KINDS)
def test_what_is_passed_on_is_a_setting(known: Kind) -> None:
    schema = known.settings_schema or {}
    assert set(known.passed_on) <= set(schema.get("properties", {}))
