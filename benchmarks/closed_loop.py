"""Closed loop through the running service: a simulated person, LSL in, WebSocket out.

Each decoder has a session and a participant of its own; the participants are the same person doing
the same task, each in a process in step with the clock. Half way the best unit jumps by five of its
SD, and what comes after is scored apart (the trial that it falls into counts there).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cursor_decoders import CALIBRATION_S, DECODERS, DecoderName, calibrate
from benchmarks.cursor_player import CursorPlayer, Disturbance, Played, PlayOptions
from service.client import Client
from service.launch import running_service
from streams.cursor_participant import CursorParticipant
from streams.cursor_tasks import TaskName, scores, usual_task

OFFSET_SD = 5.0


def closed_loop(
    names: Sequence[DecoderName] = tuple(DECODERS),
    *,
    task_name: TaskName = "radial-8",
    n_trials: int = 40,
    n_disturbed: int = 40,
    participant: CursorParticipant | None = None,
    calibration_s: float = CALIBRATION_S,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Play a task with each decoder, all at once, in real time.

    Parameters
    ----------
    names
        Of the decoders.
    task_name
        What is played.
    n_trials, n_disturbed
        Trials as they should be, and then with the best unit `OFFSET_SD` off.
    participant
        Who plays.
    calibration_s
        Seconds of watching, beforehand, that each decoder is fitted to.
    on_step
        Told what goes on.

    Returns
    -------
    list of dict
        For each decoder ``decoder``, what `scores` gives, ``disturbed`` (the same after the
        offset), ``loop_ms`` (from a bin's end to the participant having seen what followed; it
        holds the wait for the next bin), ``intents`` and ``lost``.

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
        client = stack.enter_context(Client(stack.enter_context(running_service()).url))
        players = {}
        for name in names:
            on_step(f"calibrating {name}")
            found = calibrate(name, person, seconds=calibration_s)
            player = stack.enter_context(CursorPlayer(options))
            decoder = {**found.settings, "model": str(found.model.save(folder / name))}
            session = client.create_session(
                {
                    "name": f"closed-loop-{name}",
                    "stream": {"type": "Features", "source_id": player.source_id},
                    "decoder": decoder,
                }
            )
            stack.callback(client.delete, session.id)
            players[name] = (player, session.id)
        on_step(f"playing {options.n_trials} trials of {task_name} with each")
        for player, session_id in players.values():
            player.begin(client.url, session_id)
        limit_s = 60.0 + options.n_trials * task.timeout_s
        return [
            _row(name, player.result(limit_s), options) for name, (player, _) in players.items()
        ]


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
