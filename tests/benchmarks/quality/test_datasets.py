"""Data sets are what is installed: a package beside Volition adds one, and `evaluate` takes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from volition import extension
from volition.benchmarks.quality.contract import dataset as contract
from volition.benchmarks.quality.contract.dataset import Dataset, SelfScored, installed, named
from volition.benchmarks.quality.contract.trials import TrialDataset
from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig, load_config

OWN = (
    "benchmark",
    "benchmark_8",
    "beta",
    "bi2012",
    "cvep_thielen2021",
    "cvep_thielen2021_few",
    "cvep_thielen2021_others",
    "denoise_mix",
    "eegmat",
    "eegmmi",
    "emg_gestures",
    "flint_run1",
    "indy",
    "jfpm12",
    "m1_reach",
    "mi_arms",
    "mi_control",
    "mi_openbci",
    "muse_erp",
    "muse_ssvep",
    "myo_emg",
    "noisetag_logs",
    "p300_speller",
    "ssvep_exo",
    "ssvep_exo_mixed",
    "ssvep_openbci",
    "ssvep_simulated",
)

#: A laboratory's package: people whose flickers are known, and cards that it scores by itself.
ACME = """
import numpy as np

from volition.benchmarks.quality.contract.dataset import SelfScored
from volition.benchmarks.quality.contract.trials import Trial, TrialDataset, TrialRecording
from volition.chunk import Event, SignalSpec
from volition.streams.files.recording import TRIAL_START, Recording

ASKED_HZ = (13.0, 17.0, 21.0, 0.0)


def load(root, *, channels=None, units=None):
    amplitude = float((root / "amplitude.txt").read_text())
    times = np.arange(4 * 8 * 256) / 256
    samples = np.random.default_rng(0).standard_normal((len(times), 3))
    trials = tuple(Trial(8.0 * number + 1, hz) for number, hz in enumerate(ASKED_HZ))
    for trial in trials:
        shown = (times >= trial.onset) & (times < trial.onset + 5)
        flicker = amplitude * np.sin(2 * np.pi * trial.freq_hz * (times[shown] - trial.onset))
        samples[shown] += flicker[:, None]
    spec = SignalSpec(256.0, ("Oz", "O1", "O2"), ("microvolts",) * 3, ("EEG",) * 3)
    events = tuple(Event(trial.onset, TRIAL_START) for trial in trials)
    recording = Recording(spec, samples, times, events)
    yield TrialRecording("S01_r1", 1, recording, trials, 5.0)


class Cards(SelfScored):
    def evaluate(self, root, config, **options):
        return {"dataset": self.name, "decoder": config.decoder.kind, "options": sorted(options)}


PEOPLE = TrialDataset(name="acme_people", summary="one of us, looking about", load=load)
CARDS = Cards(name="acme_cards", summary="cards that are drawn")
"""


@pytest.fixture
def volition(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line with what lies in ``tmp_path / "site"`` installed beside Volition."""
    program = "from volition.service.cli import main; main()"
    path = os.pathsep.join(filter(None, (str(tmp_path / "site"), os.environ.get("PYTHONPATH"))))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "400"},
        )

    return run


def install(tmp_path: Path, name: str, text: str, *, entry_point: str | None = None) -> None:
    """Lay a distribution of one module down, as an installer would."""
    site = tmp_path / "site"
    information = site / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (site / f"{name}.py").write_text(text, "utf-8")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        f"[volition.datasets]\n{name} = {entry_point or name}\n"
    )


def test_another_packages_people_are_scored_without_a_line_changed_here(
    tmp_path: Path, volition: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install(tmp_path, "acme", ACME)
    (tmp_path / "amplitude.txt").write_text("3")
    asked = ("evaluate", "acme_people", "--root", str(tmp_path), "--session", "fbcca-exo")
    answer = volition(*asked, "--json")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout.splitlines()[-1])
    assert (result["dataset"], result["n_trials"]) == ("acme_people", 3)
    assert result["mean_accuracy"] == 1.0
    assert result["false_selections_per_min"] == 0.0
    assert result["protocol"] == "no training"


def test_another_package_may_score_sessions_by_a_protocol_of_its_own(
    tmp_path: Path, volition: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install(tmp_path, "acme", ACME, entry_point="acme:CARDS")
    asked = ("evaluate", "acme_cards", "--root", str(tmp_path), "--session", "fbcca-exo")
    answer = volition(*asked, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == {
        "dataset": "acme_cards",
        "decoder": "fbcca",
        "options": ["idle_sweep", "protocol"],
    }


def test_the_list_says_each_data_sets_name_what_it_is_and_who_brings_it(
    tmp_path: Path, volition: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install(tmp_path, "acme", ACME)
    answer = volition("evaluate", "--list")
    assert answer.returncode == 0, answer.stderr
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert [row[0] for row in rows] == sorted([*OWN, "acme_cards", "acme_people"])
    assert {row[-1] for row in rows if row[0] in OWN} == {"volition"}
    assert ["acme_cards", "cards", "that", "are", "drawn", "acme"] in rows


def test_a_plugin_that_fails_is_named_and_the_others_still_work(
    tmp_path: Path, volition: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install(tmp_path, "acme", ACME)
    install(tmp_path, "faulty", "import no_such_module_anywhere")
    answer = volition("evaluate", "--list")
    assert answer.returncode == 0
    assert "acme_people" in answer.stdout
    said = "faulty adds faulty to volition.datasets, which fails: ModuleNotFoundError"
    assert said in answer.stderr
    asked = ("evaluate", "faulty", "--root", str(tmp_path), "--session", "fbcca-exo")
    refused = volition(*asked)
    assert refused.returncode == 3
    assert "no data set is named 'faulty'; allowed: acme_cards, acme_people" in refused.stderr
    assert said in refused.stderr


def test_volitions_own_data_sets_are_found_as_everybody_elses() -> None:
    own = [name for name, one in installed().items() if one.distribution == extension.OWN]
    assert sorted(own) == sorted(OWN)
    assert all(installed()[name].dataset.summary for name in own)


def test_no_data_set_takes_a_name_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    other = TrialDataset(name="ssvep_exo", summary="not the one", load=ssvep_exo.load)
    given = (
        extension.Part("datasets", extension.OWN, ssvep_exo.DATASET),
        extension.Part("mine", "acme", other),
    )
    monkeypatch.setattr(extension, "parts", lambda _: given)
    monkeypatch.setattr(extension, "_broken", {})
    found = contract.installed.__wrapped__()
    assert found["ssvep_exo"].dataset is ssvep_exo.DATASET
    (left_out,) = extension.broken()
    assert "'ssvep_exo' is taken: volition brings it already" in str(left_out)


def test_what_is_no_data_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    part = extension.Part("mine", "acme", "a text")
    monkeypatch.setattr(extension, "parts", lambda _: (part,))
    monkeypatch.setattr(extension, "_broken", {})
    assert contract.installed.__wrapped__() == {}
    (left_out,) = extension.broken()
    assert "'a text' is no Dataset" in str(left_out)


def test_a_data_set_without_a_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Dataset(name="bare", summary="it says not how")
    found = {"bare": contract.Installed(bare, "acme")}
    monkeypatch.setattr(contract, "installed", lambda: found)
    with pytest.raises(ConfigError, match="does not say how a session is scored"):
        evaluate("bare", Path(), load_config("fbcca-exo"))


def test_a_protocol_of_ones_own_is_asked_with_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Noted(SelfScored):
        def evaluate(self, root: Path, config: SessionConfig, **options: Any) -> dict[str, Any]:
            return {"root": root, "config": config, **options}

    found = {"noted": contract.Installed(Noted(name="noted", summary="it repeats"), "acme")}
    monkeypatch.setattr(contract, "installed", lambda: found)
    config = load_config("fbcca-exo")
    given = evaluate("noted", Path("folder"), config, idle_sweep=True)
    assert given == {"root": Path("folder"), "config": config, "idle_sweep": True, "protocol": None}


def test_the_page_of_data_sets_names_each_beside_its_kind(repository: Path) -> None:
    text = (repository / "docs" / "datasets.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for name in OWN:
        (row,) = (row for row in rows if f"`{name}`" in row)
        assert row.startswith(f"| `{type(named(name)).__name__}` |")


def test_what_a_package_shows_twice_is_one_data_set() -> None:
    package = ModuleType("acme")
    vars(package).update(first=ssvep_exo.DATASET, again=ssvep_exo.DATASET)
    found = list(extension._instances_of(package, Dataset))
    assert found == [ssvep_exo.DATASET]
