"""Tables of the documentation say what is kept of the evaluations, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from volition.benchmarks.quality.documents import runs, ssvep
from volition.benchmarks.quality.documents.pages import PAGES
from volition.benchmarks.quality.documents.runs import Made, Page, Run, markdown, with_interval
from volition.errors import ConfigError


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_pages_tables_are_those_of_what_is_kept(page: Page, repository: Path) -> None:
    text = (repository / "docs" / f"{page.name}.md").read_text("utf-8")
    assert page.written(text) == text


#: How tables begin that state nothing measured: what there is, what it needs, how it is set.
UNMEASURED = {
    "ssvep": ["| kind | calibration |"],
    "kinematics": ["| kind, preset | what it is |", "| stage | gives |"],
    "artifacts": ["| kind | preset |", "| level | blink, peak |"],
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_no_table_of_figures_is_made_by_hand(page: Page, repository: Path) -> None:
    text = (repository / "docs" / f"{page.name}.md").read_text("utf-8")
    by_hand = re.sub(r"<!-- table: (.+?) -->.*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", by_hand, flags=re.MULTILINE)
    begun = ["|".join(one.split("|")[:3]) + "|" for one in tables]
    assert begun == UNMEASURED[page.name]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_run_is_of_a_session_that_can_be_made_and_what_is_kept_is_of_a_run(
    page: Page,
) -> None:
    for run in page.runs:
        assert not isinstance(run, Run) or run.config().decoder.kind
    names = [run.name for run in page.runs]
    assert len(set(names)) == len(names)
    assert page.results().keys() == set(names)


def test_what_is_kept_holds_the_figures_that_others_are_held_to() -> None:
    results = ssvep.PAGE.results()
    assert results["fbcca-exo, 3 s"]["mean_accuracy"] == pytest.approx(0.895833, abs=1e-6)
    assert results["ssvep-pretrained, 2 s"]["mean_accuracy"] == pytest.approx(0.878788, abs=1e-6)
    evaluated = [run.name for run in ssvep.PAGE.runs if isinstance(run, Run)]
    scored = {name: results[name] for name in evaluated if results[name]["n_recordings"]}
    assert len(scored) > len(evaluated) - 4  # eTRCA is refused everywhere
    for name, one in scored.items():
        assert one["clusters"]["of"] == "people", name
        low, high = one["intervals"]["mean_accuracy"] or (0.0, 1.0)
        assert low <= one["mean_accuracy"] <= high, name


def test_a_run_changes_a_preset_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
        return {"accuracy": answer["mean_accuracy"]}

    run = Run("short", "ssvep_exo", "asr", keep, {"window_s": 1.0}, {"asr": {"cutoff": 9.0}})
    config = run.config()
    assert config.decoder.model_dump()["window_s"] == 1.0
    assert [one.model_dump().get("cutoff") for one in config.stages][-1] == 9.0
    monkeypatch.setattr(runs, "evaluate", lambda *_: {"mean_accuracy": 0.5})
    assert run.measure(Path("data")) == {
        "dataset": "ssvep_exo",
        "session": "asr",
        "decoder": {"window_s": 1.0},
        "stages": {"asr": {"cutoff": 9.0}},
        "accuracy": 0.5,
    }
    instead = dataclasses.replace(run, cleaned_by={"kind": "gate"}).config()
    assert [one.kind for one in instead.stages] == ["highpass", "notch", "gate"]


def test_a_page_is_measured_run_by_run_and_written_between_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path)
    monkeypatch.setattr(runs, "evaluate", lambda *_: {"accuracy": 1 / 3})
    page = Page(
        "page",
        (Made("one", lambda _: {"accuracy": 0.25}), Run("two", "ssvep_exo", "cca-exo", dict)),
        {"all": lambda results: markdown(("run",), [[name] for name in results])},
    )
    page.measure(tmp_path, ["two"], lambda _: None)
    assert json.loads((tmp_path / "page.json").read_text())["two"]["accuracy"] == 0.333333
    text = "before\n<!-- table: all -->\nold\n<!-- end of all -->\nafter\n"
    assert page.written(text) == text.replace("old\n", "| run |\n| --- |\n| two |\n")
    with pytest.raises(ConfigError, match="no marks for the table 'all'"):
        page.written("nothing")
    with pytest.raises(ConfigError, match="no run three; allowed: one, two"):
        page.measure(tmp_path, ["three"], lambda _: None)


def test_a_number_stands_with_its_interval_where_it_has_one() -> None:
    assert with_interval(0.5, [0.25, 0.75], 2) == "0.50 (0.25 to 0.75)"
    assert with_interval(0.5, None, 2) == "0.50"
    assert with_interval(None, None) == "-"


def test_settings_are_chosen_for_each_person_by_everybody_elses_figures_alone() -> None:
    by_setting = {0.1: {"a": 0.0, "b": 0.9, "c": 0.9}, 0.2: {"a": 1.0, "b": 0.5, "c": 0.5}}
    chosen = ssvep.chosen_by_others(by_setting, lambda found: sum(found.values()) / len(found))
    assert chosen == {"a": 0.1, "b": 0.2, "c": 0.2}
    for own in ("b", "c"):
        changed = {setting: {**found, own: 7.0} for setting, found in by_setting.items()}
        again = ssvep.chosen_by_others(changed, lambda found: sum(found.values()) / len(found))
        assert again[own] == chosen[own]
