"""A decoder of a family that nobody here knows, as one module and its example, installed beside us.

It is met everywhere without another change: by the battery, the costs, the schemas, the lists. And
what is installed and cannot be used is named, and keeps nothing else from working.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KIND = "made_up_hands"
MODULE = '''
"""Which hand is imagined, told by which channels carry the power."""

from typing import ClassVar, Literal

import numpy as np

from volition.decoders.contract.intent import ClassIntent, IdleIntent
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import Choice, ClassTrials
from volition.decoders.fitting.calibration import Calibrated
from volition.decoders.fitting.decoder import FittedDecoder, FittedSettings
from volition.decoders.fitting.fitted import FittedModel


class HandsSettings(FittedSettings):
    kind: Literal["made_up_hands"] = "made_up_hands"
    classes: list[str] = ["left", "right"]
    window_s: float = 0.25


class HandsDecoder(FittedDecoder[HandsSettings]):
    """Tells which hand is imagined. It is made up."""

    settings_model: ClassVar = HandsSettings

    @classmethod
    def trials(cls, settings):
        return ClassTrials(tuple(Choice(one, {"class": one}) for one in settings.classes))

    @classmethod
    def example_model(cls, settings, spec):
        weights = np.random.default_rng(0).standard_normal((len(settings.classes), spec.n_channels))
        return FittedModel(settings.kind, {"weights": weights})

    @classmethod
    def calibrate(cls, settings, calibration, progress):
        model = cls.example_model(settings, calibration.spec)
        return Calibrated(model, settings.model_dump(), {}, 1)

    def prepare(self, spec):
        self._n_channels = spec.n_channels
        self._weights = self.parameter("weights", (len(self.settings.classes), spec.n_channels))
        self._n = round(self.settings.window_s * spec.rate_hz)
        self.reset()

    def reset(self):
        self._rows, self._newest = np.empty((0, self._n_channels)), None

    def decode(self, chunk, events):
        check_channels(chunk, self._n_channels, self.settings.kind)
        rows = np.concatenate([self._rows, chunk.samples])
        first, n = -len(self._rows), self._n
        made = []
        while len(rows) >= n:
            window, rows, first = rows[:n], rows[n:], first + n
            made.append(self._judged(window, float(chunk.times[first - 1])))
        self._rows = rows.copy()
        return made

    def _judged(self, window, t_sample):
        if not np.isfinite(window).all():
            return IdleIntent(reason="missing_samples", t_sample=t_sample, expires_s=1.0)
        power = window.var(axis=0)
        if not (power > 0).all():
            return IdleIntent(reason="missing_samples", t_sample=t_sample, expires_s=1.0)
        scores = self._weights @ np.log(power)
        shares = np.exp(scores - scores.max())
        shares = dict(zip(self.settings.classes, (shares / shares.sum()).tolist()))
        self._newest = max(shares, key=shares.get)
        return ClassIntent(
            label=self._newest, probabilities=shares, t_sample=t_sample, expires_s=1.0
        )

    def state(self):
        return {"newest": self._newest}
'''
EXAMPLE = """\
settings: {classes: [left, right, feet]}
---
settings: {window_s: 0.1}
rate_hz: 500
labels: [C3, Cz, C4]
"""
THIEF = """
from typing import ClassVar, Literal

from volition.decoders.contract.settings import Settings
from volition.decoders.stages.pick import Pick


class ThiefSettings(Settings):
    kind: Literal["bandpass"] = "bandpass"


class Thief(Pick):
    settings_model: ClassVar = ThiefSettings


class UntoldSettings(Settings):
    kind: str = "untold"


class Untold(Pick):
    settings_model: ClassVar = UntoldSettings
"""


def install(folder: Path, name: str, module: str, **entry_points: str) -> Path:
    """Put a package with its metadata where Python finds it, as an installer does."""
    package, metadata = folder / name, folder / f"{name}-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(module)
    (package / "__main__.py").write_text("raise SystemExit('it was run')\n")
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"[volition.{group}]\n{name} = {one}\n" for group, one in entry_points.items())
    (metadata / "entry_points.txt").write_text(points)
    return package


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that adds the made-up decoder."""
    folder = tmp_path_factory.mktemp("beside")
    package = install(folder, "hands", MODULE, decoders="hands")
    (package / "examples").mkdir()
    (package / "examples" / f"{KIND}.yaml").write_text(EXAMPLE)
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages that cannot be used."""
    folder = tmp_path_factory.mktemp("faulty")
    fails = "raise RuntimeError('no licence')"
    install(folder, "raising", fails, stages="raising", decoders="raising")
    install(folder, "thief", THIEF, stages="thief")
    install(folder, "numbers_only", "SEVEN = 7", decoders="numbers_only:SEVEN")
    return folder


def python(beside: Path, *arguments: str) -> str:
    """Run Python with what lies in a folder installed; give what it printed."""
    finished = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(beside)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished.stdout


def volition(beside: Path, *arguments: str) -> str:
    return python(beside, "-P", "-m", "volition.service.cli", *arguments)


def last_json(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


@pytest.mark.slow
def test_the_battery_meets_it(beside: Path, repository: Path) -> None:
    battery = str(repository / "tests" / "decoders" / "battery")
    told = python(beside, "-m", "pytest", battery, "-k", KIND, "-q", "-p", "no:cacheprovider")
    (n_passed,) = re.findall(r"(\d+) passed", told)
    assert int(n_passed) >= 19  # nine tests by each of two examples, and that there are any


@pytest.mark.slow
def test_its_costs_are_measured(beside: Path) -> None:
    report = last_json(volition(beside, "bench", "decoders", "--only", KIND, "--quick", "--json"))
    (row,) = report["decoders"]
    assert (row["kind"], row["n_channels"]) == (KIND, 6)
    assert row["median_us"] > 0
    assert report["peers"][0]["why_none"]


def test_the_schemas_of_the_session_and_of_the_service_hold_it(beside: Path) -> None:
    code = "from volition.service.sessions.config import SessionConfig as c, parse_config as p;"
    code += "import json; print(json.dumps(c.model_json_schema()))"
    schema = last_json(python(beside, "-c", code))
    assert KIND in schema["properties"]["decoder"]["discriminator"]["mapping"]
    assert "HandsSettings" in last_json(volition(beside, "openapi"))["components"]["schemas"]


def test_the_lists_hold_it_with_what_it_says_of_itself(beside: Path) -> None:
    found = last_json(volition(beside, "kinds", "--json"))
    (known,) = [one for one in found["kinds"] if one["kind"] == KIND]
    assert (known["family"], known["distribution"]) == ("decoders", "hands")
    assert (known["trials"], known["calibrated"]) == ("classes", True)
    assert known["summary"] == "Tells which hand is imagined."
    assert known["example"].splitlines()[0] == f"kind: {KIND}"
    assert found["broken"] == []


def test_the_tables_of_the_documentation_hold_it(beside: Path) -> None:
    page = volition(beside, "kinds", "--markdown")
    assert f"| `{KIND}` | Tells which hand is imagined. | name a class | yes | hands |" in page


def test_a_plugin_that_cannot_be_used_is_named_with_its_error(faulty: Path) -> None:
    told = last_json(volition(faulty, "kinds", "--json"))["broken"]
    errors = {(one["distribution"], one["group"]): one["error"] for one in told}
    assert errors["raising", "volition.stages"] == "RuntimeError: no licence"
    assert errors["raising", "volition.decoders"] == "RuntimeError: no licence"
    assert "7 is no Decoder" in errors["numbers_only", "volition.decoders"]


def test_a_plugin_takes_no_kind_that_exists_and_needs_one_of_its_own(faulty: Path) -> None:
    found = last_json(volition(faulty, "kinds", "--json"))
    told = [one["error"] for one in found["broken"] if one["distribution"] == "thief"]
    assert len(told) == 2
    assert any("thief.Thief is of the kind 'bandpass', as volition" in error for error in told)
    assert any("thief.Untold has settings without a kind" in error for error in told)
    (bandpass,) = [one for one in found["kinds"] if one["kind"] == "bandpass"]
    assert bandpass["distribution"] == "volition"
    assert {one["distribution"] for one in found["kinds"]} == {"volition"}


def test_what_cannot_be_used_keeps_nothing_else_from_working(faulty: Path) -> None:
    code = "from volition.decoders.registry import build_decoder as make;"
    code += "from volition.service.sessions.config import load_config as load;"
    code += "print(make(load('fbcca-exo').decoder).settings.kind)"
    assert python(faulty, "-c", code).strip() == "fbcca"


def test_the_doctor_names_what_cannot_be_used(faulty: Path) -> None:
    code = "from volition.service.cli.machine import _installed as i;"
    code += "import json; print(json.dumps([[f.ok, f.found, f.advice] for f in i()]))"
    told = last_json(python(faulty, "-c", code))
    assert [
        False,
        "raising adds raising to volition.stages, which fails: RuntimeError: no licence",
        "mend or uninstall raising",
    ] in told
