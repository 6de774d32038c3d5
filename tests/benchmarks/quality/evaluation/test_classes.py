"""Scoring decoders of classes: simulated people whose days are known, and the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.decoders.classes.people import shuffled
from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording
from volition.benchmarks.quality.datasets import (
    eegmat,
    emg_gestures,
    mi_arms,
    mi_control,
    mi_openbci,
)
from volition.benchmarks.quality.evaluation.classes import IN_ORDER, LEAKING, evaluate_classes
from volition.errors import ConfigError, RecordingError
from volition.service.sessions.config import SessionConfig
from volition.streams.simulated.imagery_participant import ImageryParticipant

NOWHERE = Path()


def made_of(n_days: int, *, moves: bool, turns: int = 6) -> ClassDataset:
    """Give a data set of one person, whose cap sits elsewhere each day, or does not."""
    who = ImageryParticipant(seed=3)

    def load(
        root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
    ) -> Iterator[ClassRecording]:
        for day in range(n_days):
            asked = shuffled(who.classes, turns, seed=day)
            read = who.record(asked, trial_s=4.0, sitting=day if moves else 0)
            yield ClassRecording(f"day-{day}", "somebody", "somebody", read)

    return ClassDataset(name="made up", summary="", load=load, classes=who.classes)


def session(**decoder: Any) -> SessionConfig:
    settings = {"kind": "tangent", "classes": ["left", "right"], "delay_s": 1.0, **decoder}
    return SessionConfig.model_validate({"stream": {"type": "EEG"}, "decoder": settings})


def test_a_person_whose_cap_sits_alike_is_told_well() -> None:
    found = evaluate_classes(made_of(4, moves=False), NOWHERE, session())

    assert found["accuracy"] >= 0.9
    assert found["n_trials"] == 48
    assert found["per_session"].keys() == {f"day-{day}" for day in range(4)}
    assert not found["refused"]


def test_a_cap_that_moves_is_followed_by_default_from_four_days_on() -> None:
    found = evaluate_classes(made_of(6, moves=True), NOWHERE, session(), protocol=IN_ORDER, train=5)
    assert found["per_session"].keys() == {"day-5"}
    assert found["accuracy"] >= 0.9
    assert found["calibrations"]["day-5"]["recentring"]["helps"]


def test_one_recording_is_cut_into_blocks_of_time() -> None:
    found = evaluate_classes(made_of(1, moves=False, turns=12), NOWHERE, session())
    assert found["per_session"]["day-0"]["n_trials"] == 24


def test_commands_at_rest_are_counted_beside_the_trials_commanded() -> None:
    sliding = session(
        trigger="sliding", window_s=1.0, delay_s=0.8, evidence={"threshold": 0.2, "hold_s": 0.3}
    )
    found = evaluate_classes(made_of(2, moves=False, turns=10), NOWHERE, sliding)

    assert found["rest_watched_s"] > 20
    assert found["commanded_share"] > 0.5
    assert found["commanded_accuracy"] > 0.7
    # None of its classes is rest, so it commands in pauses too, no faster than it may.
    assert 0 < found["commands_per_min_at_rest"] <= 60


def test_what_cannot_be_scored_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="made up has no recording with trials of feet, tongue"):
        evaluate_classes(made_of(1, moves=False), NOWHERE, session(classes=["feet", "tongue"]))
    with pytest.raises(ConfigError, match="allowed: leave-session-out, chronological"):
        evaluate_classes(made_of(1, moves=False), NOWHERE, session(), protocol="guess")
    cca = SessionConfig.model_validate(
        {
            "stream": {"type": "EEG"},
            "decoder": {
                "kind": "cca",
                "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 11}],
            },
        }
    )
    with pytest.raises(ConfigError, match="'cca' tells none"):
        evaluate_classes(made_of(1, moves=False), NOWHERE, cca)


@pytest.mark.parametrize("dataset", [mi_openbci, mi_control, mi_arms, emg_gestures, eegmat])
def test_a_folder_without_the_data_says_what_is_missing(dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=dataset.DATASET.name):
        list(dataset.load(tmp_path))


@pytest.mark.slow
def test_people_who_cannot_be_decoded_are_refused_in_every_fold(shared_data: Path) -> None:
    config = session(kind="csp", classes=list(mi_control.CLASSES), delay_s=0.5, window_s=4.0)
    found = evaluate_classes(mi_control.DATASET, shared_data / "mi_control", config)

    assert len(found["refused"]) == 8
    assert found["n_trials"] == 0
    assert 0.25 < found["with_refused"]["accuracy"] < 0.4


@pytest.fixture
def few_people(shared_data: Path, tmp_path: Path) -> Path:
    """Six of the people who rest and count."""
    for path in sorted((shared_data / "eegmat").glob("P*.npz"))[:6]:
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.slow
def test_states_are_told_by_other_people_and_windows_that_leak_look_better(
    few_people: Path,
) -> None:
    config = session(
        kind="differential_entropy",
        classes=list(eegmat.CLASSES),
        delay_s=0.0,
        window_s=4.0,
        recentre="off",
    )
    honest = evaluate_classes(eegmat.DATASET, few_people, config)
    leaking = evaluate_classes(eegmat.DATASET, few_people, config, protocol=LEAKING)

    assert honest["per_person"].keys() == {path.stem for path in few_people.iterdir()}
    assert "wrong on purpose" in leaking["protocol"]
    assert leaking["auc"] > 0.95
    assert honest["with_refused"]["n_trials"] == leaking["n_trials"] == 6 * 45
    assert honest["auc"] is None or honest["auc"] < leaking["auc"]


def test_two_classes_have_an_area_and_a_balanced_accuracy() -> None:
    found = evaluate_classes(made_of(4, moves=False), NOWHERE, session())

    assert 0.9 <= found["balanced_accuracy"] <= 1.0
    assert 0.9 <= found["auc"] <= 1.0
    assert found["auc_interval"] is None  # of one person
