"""By what a model that other people trained is scored: told by what is in a recording."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.benchmarks.quality.datasets import ssvep_exo
from volition.benchmarks.quality.evaluation.evaluate import evaluate
from volition.benchmarks.quality.learning.protocols import (
    OTHERS_FROM,
    REFITTED,
    STRANGER,
    TAUGHT,
    Protocol,
    assigned,
    channel_ids,
    people_of,
    taught_by,
)
from volition.errors import ConfigError
from volition.service.sessions.config import load_config

MODEL = "ssvep-pretrained"
SOME = ("S01_r1", "S02_r1", "S03_r1")


def recordings_of(shared_data: Path, folder: Path, *names: str) -> list[TrialRecording]:
    for name in names:
        shutil.copy(shared_data / "ssvep_exo" / f"{name}.npz", folder)
    return list(ssvep_exo.load(folder))


def strange(path: Path, out: Path) -> None:
    """Write a recording of somebody else: the same trials on a signal turned about in time."""
    with np.load(path) as arrays:
        given = dict(arrays)
    given["eeg"] = np.ascontiguousarray(given["eeg"][:, ::-1])
    np.savez(out, **given)


def test_a_channel_is_known_again_with_another_gain_offset_unit_and_order(
    shared_data: Path, tmp_path: Path
) -> None:
    (one,) = recordings_of(shared_data, tmp_path, "S03_r1")
    ids = channel_ids(one.recording)
    changed = dataclasses.replace(
        one.recording, samples=(one.recording.samples * 1e-6 + 0.25)[:, ::-1]
    )
    assert channel_ids(changed) == ids[::-1]
    assert len(set(ids)) == len(ids)
    few = dataclasses.replace(changed, samples=changed.samples[:, :2])
    assert taught_by(few, people_of(MODEL)) == 3
    reversed_in_time = dataclasses.replace(changed, samples=changed.samples[::-1])
    assert taught_by(reversed_in_time, people_of(MODEL)) is None


@pytest.mark.parametrize("model", [MODEL, "ssvep-personal"])
def test_what_ships_beside_a_model_names_each_of_its_people(model: str, shared_data: Path) -> None:
    people = people_of(model)
    for one in ssvep_exo.load(shared_data / "ssvep_exo"):
        assert {people[channel] for channel in channel_ids(one.recording)} == {one.person}
    assert len(people) == 22 * 8


def test_those_who_taught_a_model_are_left_out_under_any_name_and_others_are_not(
    shared_data: Path, tmp_path: Path
) -> None:
    recordings_of(shared_data, tmp_path, *SOME)
    (tmp_path / "S02_r1.npz").rename(tmp_path / "guest.npz")
    strange(shared_data / "ssvep_exo" / "S05_r1.npz", tmp_path / "S01_theirs.npz")
    found, learned = assigned(list(ssvep_exo.load(tmp_path)), MODEL, None)
    assert {one.one.name: (one.one.person, one.protocol) for one in found} == {
        "S01_r1": (1, REFITTED),
        "S01_theirs": (1 + OTHERS_FROM, STRANGER),
        "S03_r1": (3, REFITTED),
        "guest": (2, REFITTED),
    }
    assert sorted(one.name for one in learned) == ["S01_r1", "S03_r1", "guest"]


def test_either_protocol_may_be_asked_for_and_is_said(shared_data: Path, tmp_path: Path) -> None:
    known = recordings_of(shared_data, tmp_path, *SOME)
    strange(shared_data / "ssvep_exo" / "S05_r1.npz", tmp_path / "S07_r1.npz")
    known = list(ssvep_exo.load(tmp_path))
    shipped, learned = assigned(known, MODEL, Protocol.SHIPPED)
    assert [one.protocol for one in shipped] == [TAUGHT, TAUGHT, TAUGHT, STRANGER]
    assert learned == []
    left_out, learned = assigned(known, MODEL, Protocol.LEAVE_PERSON_OUT)
    assert {one.protocol for one in left_out} == {REFITTED}
    assert len(learned) == 4
    with pytest.raises(ConfigError, match="at least three"):
        assigned(known[-1:], MODEL, Protocol.LEAVE_PERSON_OUT)


def test_one_strange_person_is_scored_by_what_ships(shared_data: Path, tmp_path: Path) -> None:
    strange(shared_data / "ssvep_exo" / "S01_r1.npz", tmp_path / "S01_r1.npz")
    result = evaluate("ssvep_exo", tmp_path, load_config("ssvep-pretrained"))
    assert result["protocols"] == {"1": STRANGER}
    assert result["n_recordings"] == 1
    assert result["interval"] is None  # one person says nothing of others
    personal = evaluate("ssvep_exo", tmp_path, load_config("ssvep-personal"))
    said = personal["protocols"] or personal["refused"]
    assert "ships" in str(said) or "not above chance" in str(said)


def test_one_who_taught_the_model_and_comes_alone_is_not_scored_by_it_unasked(
    shared_data: Path, tmp_path: Path
) -> None:
    recordings_of(shared_data, tmp_path, "S12_r1")
    result = evaluate("ssvep_exo", tmp_path, load_config("ssvep-pretrained"))
    assert "2 others who have; found 0" in result["refused"]["S12_r1"]
    assert (result["n_recordings"], result["protocol"]) == (0, "nobody was scored")
    asked = evaluate(
        "ssvep_exo", tmp_path, load_config("ssvep-pretrained"), protocol=Protocol.SHIPPED
    )
    assert asked["protocols"] == {"12": TAUGHT}
    json.dumps(asked)
