"""Closed loop through the running service: a simulated person, LSL in, WebSocket out.

Each decoder has a session and a participant of its own; the participants are the same person doing
the same task, each in a process in step with the clock. Half way the best unit jumps by five of its
SD, and what comes after is scored apart (the trial that it falls into counts there).

Beside them one participant begins with a decoder that knows nothing: the service guides a
calibration, asked for over the API, and the participant goes where its cues say.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.simulated.cursor_decoders import (
    CALIBRATION_S,
    DECODERS,
    DecoderName,
    calibrate,
    intention_options,
    play_trials,
)
from volition.benchmarks.quality.simulated.cursor_decoders import guide as run_guide
from volition.benchmarks.quality.simulated.cursor_player import (
    CursorPlayer,
    Disturbance,
    Played,
    PlayOptions,
)
from volition.service.calibration.cursor_fit import cursor_settings
from volition.service.calibration.cursor_guide import Pace
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.streams.simulated.cursor_participant import CursorParticipant, CursorSitting
from volition.streams.simulated.cursor_tasks import TaskName, scores, usual_task

OFFSET_SD = 5.0
#: What is calibrated from nothing.
GUIDED: DecoderName = "mk-dkf"
_MODEL = "guided"


def closed_loop(
    names: Sequence[DecoderName] = tuple(DECODERS),
    *,
    task_name: TaskName = "radial-8",
    n_trials: int = 40,
    n_disturbed: int = 40,
    participant: CursorParticipant | None = None,
    calibration_s: float = CALIBRATION_S,
    guide_s: float | None = 180.0,
    final_s: float = 600.0,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Play a task with each decoder, all at once, in real time.

    Parameters
    ----------
    names
        Names of the decoders.
    task_name
        What is played.
    n_trials, n_disturbed
        Trials as they should be, and then with the best unit `OFFSET_SD` off.
    participant
        Who plays.
    calibration_s
        Seconds of watching, beforehand, that each decoder is fitted to.
    guide_s
        Seconds of the calibration from nothing; None for none.
    final_s
        Seconds of the one that it is compared with.
    on_step
        Told what goes on.

    Returns
    -------
    dict
        ``rows``, for each decoder ``decoder``, what `scores` gives, ``disturbed`` (the same after
        the offset), ``loop_ms`` (from a bin's end to the participant having seen what followed; it
        holds the wait for the next bin), ``intents`` and ``lost``; and ``calibration``, None
        without one: ``decoder``, ``seconds``, ``models`` (how many were taken up on the way),
        ``models_kept`` (how many versions the registry holds afterwards), ``targets`` and
        ``targets_reached`` of the guidance, ``first_target_s``, what `scores` gives of the trials
        after it, ``final_bits_per_s`` (Fitts' throughput of the same person after ``final_s`` of
        the same, in one process) and
        ``share_of_final``.

    Raises
    ------
    SessionError
        A session or a participant ended early.
    """
    person = participant or CursorParticipant()
    task = usual_task(task_name)
    disturbance = Disturbance(n_trials, OFFSET_SD) if n_disturbed else None
    options = PlayOptions(person, task, n_trials + n_disturbed, 1, disturbance)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Models that are tried here have no place among the user's own.
        service = stack.enter_context(running_service(env={"VOLITION_DATA": str(folder)}))
        client = stack.enter_context(Client(service.url))
        players = {}
        for name in names:
            on_step(f"calibrating {name}")
            found = calibrate(name, person, seconds=calibration_s)
            player = stack.enter_context(CursorPlayer(options))
            decoder = {**found.settings, "model": str(found.model.save(folder / name))}
            players[name] = (player, _session(stack, client, name, player, decoder))
        guided = learner = None
        learning = ""
        if guide_s is not None:
            guided = PlayOptions(person, task, n_trials, 2, guided=True)
            learner = stack.enter_context(CursorPlayer(guided))
            learning = _session(stack, client, "guided", learner, _unmoved(person.n_units))
            learner.begin(client.url, learning)
        on_step(f"playing {options.n_trials} trials of {task_name} with each")
        for player, session_id in players.values():
            player.begin(client.url, session_id)
        calibration = None
        if guided is not None and learner is not None and guide_s is not None:
            on_step(f"calibrating {GUIDED} from nothing for {guide_s:g} s")
            calibration = _calibration(client, learner, learning, guided, guide_s)
            final = _final_rate(guided, final_s)
            rate = calibration["fitts_bits_per_s"] or 0.0
            calibration["final_bits_per_s"] = round(final, 4)
            calibration["share_of_final"] = round(rate / final, 4)
        limit_s = 60.0 + options.n_trials * task.timeout_s
        rows = [
            _row(name, player.result(limit_s), options) for name, (player, _) in players.items()
        ]
    return {"rows": rows, "calibration": calibration}


def _session(
    stack: contextlib.ExitStack,
    client: Client,
    name: str,
    player: CursorPlayer,
    decoder: dict[str, Any],
) -> str:
    session = client.create_session(
        {
            "name": f"closed-loop-{name}",
            "stream": {"type": "Features", "source_id": player.source_id},
            "decoder": decoder,
        }
    )
    stack.callback(client.delete, session.id)
    return session.id


def _unmoved(n_units: int) -> dict[str, Any]:
    """Give a decoder that knows nothing: no unit tells it anything, and the cursor stands."""
    unit = [[1.0, 0.0], [0.0, 1.0]]
    return {
        "kind": "kalman",
        "matrices": {
            "transition": [[0.9, 0.0], [0.0, 0.9]],
            "transition_covariance": unit,
            "observation": [[0.0, 0.0]] * n_units,
            "observation_variance": [1.0] * n_units,
        },
    }


def _calibration(
    client: Client, player: CursorPlayer, session: str, options: PlayOptions, seconds: float
) -> dict[str, Any]:
    """Have the service guide a calibration from nothing, and score what follows."""
    client.intents(session, wait_s=30)  # the signal flows
    begun = client.calibrate(
        session,
        {
            "name": _MODEL,
            "source": "guided",
            "guided": {"cursor": {"seconds": seconds}},
            "decoder": {**DECODERS[GUIDED], "cursor": cursor_settings(1.0)},
            "options": intention_options(options.participant),
            "swap": True,
        },
    )
    played = player.result(60.0 + seconds + options.n_trials * options.task.timeout_s)
    view, first_s = client.calibration(session, begun.id), played.first_target_s
    return {
        "decoder": GUIDED,
        "seconds": seconds,
        "models": view.models,
        "models_kept": sum(one.origin == "calibration" for one in client.models()),
        "targets": view.trials_done,
        "targets_reached": view.hits,
        "first_target_s": None if first_s is None else round(first_s, 2),
        **_rounded(scores(played.trials, options.task)),
    }


def _final_rate(options: PlayOptions, seconds: float) -> float:
    person, task = options.participant, options.task
    pace = Pace(seconds, refresh_s=30.0)
    found = run_guide(CursorSitting(person, task, sitting=options.sitting), DECODERS[GUIDED], pace)
    sitting = CursorSitting(person, task, sitting=options.sitting + 1)
    play_trials(found.decoder(), sitting, max(40, options.n_trials))
    return float(scores(sitting.trials, task)["fitts_bits_per_s"])


def _row(name: DecoderName, played: Played, options: PlayOptions) -> dict[str, Any]:
    split = options.disturbance.after_trials if options.disturbance else options.n_trials
    p50, p99 = np.percentile(played.loop_s or [0.0], (50, 99)) * 1e3
    return {
        "decoder": name,
        **_rounded(scores(played.trials[:split], options.task)),
        "disturbed": _rounded(scores(played.trials[split:], options.task))
        if options.disturbance
        else None,
        "loop_ms": {"p50": round(float(p50), 2), "p99": round(float(p99), 2)},
        "intents": played.intents,
        "lost": played.lost,
    }


def _rounded(found: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
