"""The tables of docs/kinematics.md in closed loop: simulated people steer, each decoder in turn.

The simulation was made hard enough to tell decoders apart while looking at people 0 to 3, so others
are scored. Decoder and person are in one process; `through the service` has person 0 play in real
time, through LSL and a WebSocket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.documents.runs import (
    Made,
    Measurement,
    Results,
    markdown,
    number,
    with_interval,
)
from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval
from volition.benchmarks.quality.simulated.closed_loop import OFFSET_SD, closed_loop
from volition.benchmarks.quality.simulated.cursor_decoders import (
    DECODERS,
    DecoderName,
    calibrate,
    play_trials,
)
from volition.service.calibration.cursor_fit import Calibrated
from volition.streams import lsl
from volition.streams.simulated.cursor_participant import CursorParticipant, CursorSitting
from volition.streams.simulated.cursor_tasks import TaskName, scores, usual_task

PEOPLE = range(4, 24)
WATCHED_S, N_TRIALS = 60.0, 40
LABELS: Mapping[DecoderName, str] = {
    "kalman": "Kalman",
    "refit": "ReFIT",
    "dkf": "DKF (Gaussian process)",
    "mk-dkf": "MK-DKF",
}
_TASK: TaskName = "radial-8"
_SERVICE = "closed loop, through the service"


def _name(decoder: DecoderName) -> str:
    return f"closed loop, {decoder}"


def _steered(decoder: DecoderName, data: Path) -> dict[str, Any]:
    """Have each person play as they should be, and with the best unit off; the data say nothing."""
    del data
    people = {}
    for seed in PEOPLE:
        person = CursorParticipant(seed=seed)
        found = calibrate(decoder, person, seconds=WATCHED_S)
        people[str(seed)] = [_played(found, person, offset_sd) for offset_sd in (0.0, OFFSET_SD)]
    return {"by_person": people, "watched_s": WATCHED_S, "offset_sd": OFFSET_SD}


def _played(found: Calibrated, person: CursorParticipant, offset_sd: float) -> dict[str, Any]:
    task = usual_task(_TASK)
    sitting = CursorSitting(person, task, sitting=1)
    if offset_sd:
        sitting.population.disturb(sitting.population.best_unit, offset_sd)
    play_trials(found.decoder(), sitting, N_TRIALS)
    return scores(sitting.trials, task)


def _through_service(data: Path) -> dict[str, Any]:
    del data
    with lsl.own_network():
        return closed_loop(participant=CursorParticipant(seed=0))


RUNS: tuple[Measurement, ...] = (
    *(Made(_name(decoder), partial(_steered, decoder)) for decoder in DECODERS),
    Made(_SERVICE, _through_service),
)


def steered(results: Results) -> str:
    """Give each decoder's figures over people, and the worst person's."""
    rows = []
    for decoder, label in LABELS.items():
        people = results[_name(decoder)]["by_person"]
        plain, disturbed = ({who: one[place] for who, one in people.items()} for place in (0, 1))
        rows.append(
            [
                label,
                _over_people(plain, "success"),
                _over_people(plain, "time_to_target_s", 2),
                _over_people(plain, "fitts_bits_per_s", 2),
                _least(plain, "fitts_bits_per_s", 2),
                _over_people(disturbed, "success", 2),
                _over_people(disturbed, "fitts_bits_per_s", 2),
                _least(disturbed, "success", 2),
            ]
        )
    head = (
        "decoder",
        "success (95 %, people)",
        "time to target, s",
        "Fitts, bits/s",
        "worst person",
        "disturbed: success",
        "Fitts, bits/s",
        "worst person: success",
    )
    return markdown(head, rows)


def _over_people(people: Mapping[str, Mapping[str, Any]], figure: str, digits: int = 3) -> str:
    found = {who: one[figure] for who, one in people.items() if one[figure] is not None}
    clusters = Clusters.by_name("people", list(found))
    values = list(found.values())
    interval = ratio_interval(clusters, values, np.ones(len(values)))
    return with_interval(float(np.mean(values)), interval, digits)


def _least(people: Mapping[str, Mapping[str, Any]], figure: str, digits: int) -> str:
    who = min(people, key=lambda one: people[one][figure])
    return f"{number(people[who][figure], digits)} (person {who})"


def through_service(results: Results) -> str:
    """Give person 0's figures through the service, and those of a calibration from nothing."""
    found = results[_SERVICE]
    rows = [[LABELS[row["decoder"]], *_played_row(row), str(row["lost"])] for row in found["rows"]]
    guided = found["calibration"]
    label = f"{LABELS[guided['decoder']]}, {guided['seconds']:g} s from nothing"
    rows.append([label, *_played_row(guided | {"disturbed": None}), ""])
    head = (
        "decoder",
        "success",
        "time to target, s",
        "Fitts, bits/s",
        "disturbed: success",
        "Fitts, bits/s",
        "intents lost",
    )
    return markdown(head, rows)


def _played_row(row: Mapping[str, Any]) -> Sequence[str]:
    disturbed = row["disturbed"] or {"success": None, "fitts_bits_per_s": None}
    return (
        number(row["success"]),
        number(row["time_to_target_s"], 2),
        number(row["fitts_bits_per_s"], 2),
        number(disturbed["success"]),
        number(disturbed["fitts_bits_per_s"], 2),
    )


TABLES = {"closed loop": steered, "through the service": through_service}
