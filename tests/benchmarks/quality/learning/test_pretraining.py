"""Judging what people have trained: never on those people."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.benchmarks.quality.learning.pretraining import without_each
from volition.errors import ConfigError
from volition.service.sessions.config import load_config

#: One recording of each of six people.
ONE_EACH = ("S01_r1", "S02_r1", "S03_r1", "S05_r1", "S10_r3", "S12_r1")


@pytest.fixture
def one_each(shared_data: Path, tmp_path: Path) -> Path:
    for name in ONE_EACH:
        shutil.copy(shared_data / "ssvep_exo" / f"{name}.npz", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_people_left_out_are_read_and_their_rest_is_left_alone(one_each: Path) -> None:
    result = evaluate("ssvep_exo", one_each, load_config("ssvep-pretrained"))
    assert result["n_recordings"] == len(ONE_EACH)
    assert result["mean_accuracy"] >= 0.82
    assert result["rest_auc"] >= 0.85
    assert result["decision_s"] == pytest.approx(3.0, abs=0.01)
    assert "without the person" in result["protocol"]


def test_each_model_is_learned_from_the_others_alone(one_each: Path) -> None:
    for name in ONE_EACH[3:]:
        (one_each / f"{name}.npz").unlink()
    config = load_config("ssvep-pretrained")
    models = without_each(list(ssvep_exo.load(one_each)), config)
    assert {person: model.facts["people"] for person, model in models.items()} == {
        1: ["2", "3"],
        2: ["1", "3"],
        3: ["1", "2"],
    }
    assert len({model.version for model in models.values()}) == 3


def test_two_people_are_too_few_to_leave_one_out(one_each: Path) -> None:
    for name in ONE_EACH[2:]:
        (one_each / f"{name}.npz").unlink()
    with pytest.raises(ConfigError, match="at least three"):
        without_each(list(ssvep_exo.load(one_each)), load_config("ssvep-pretrained"))
