"""Outlets that die at random, and sessions that must come back each time.

Each outlet is a process that is killed (SIGKILL) at a random moment after every start, and started
again after a short pause, in the same grid of moments. What a session received is then held to that
grid: samples that came and samples that are said to be missing must together be every sample from
the first one to the last, and every intent must rest on a moment at which there was a sample.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import Scene
from volition.benchmarks.faults.injection.witness import BrokenError, Witness
from volition.benchmarks.speed.footprint import Footprint
from volition.decoders.contract.intent import IntentBase
from volition.service.gateway.launch import running_service
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock

_PAUSE_S = (0.1, 1.0)
_BACK_S = 2.0
_HANG_S = 10.0
_WARM_UP_SHARE = 0.2
_OFF_GRID = 0.02  # of a sample's interval
_MOST_TOLD = 8
_MOST_BEFORE_S = 5.0


@dataclass
class _Life:
    """What one outlet and its session went through."""

    kills: int = 0
    cut_short: int = 0
    hangs: int = 0
    recovery_s: list[float] = field(default_factory=list)
    wrong_samples: int = 0
    received: int = 0
    missing: int = 0
    stale_acts: int = 0
    problems: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def chaos(
    minutes: float,
    *,
    outlets: int = 8,
    shortest_s: float = 0.5,
    longest_s: float = 5.0,
    seed: int = 1,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Kill outlets at random for some minutes.

    Parameters
    ----------
    minutes
        How long.
    outlets
        How many, with a session each.
    shortest_s, longest_s
        Bounds of an outlet's life.
    seed
        Seed of the random choices.
    """
    lives = [_Life() for _ in range(outlets)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volition-")))
        service = stack.enter_context(running_service(env={"VOLITION_DATA": str(folder)}))
        scene = Scene(service, stack, folder)
        feeders = [scene.feeder() for _ in range(outlets)]
        witnesses = [scene.session(feeder) for feeder in feeders]
        on_step(f"{outlets} sessions run; killing for {minutes:g} minutes")
        end = time.monotonic() + minutes * 60.0
        with Footprint(service.pid) as footprint:
            threads = [
                threading.Thread(
                    target=_torment,
                    args=(scene, feeders[i], witnesses[i], lives[i], end),
                    kwargs={
                        "chance": random.Random(seed * 1000 + i),  # noqa: S311 - no secret
                        "life_s": (shortest_s, longest_s),
                    },
                )
                for i in range(outlets)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        restarts = sum(scene.state(witness)["restarts"] for witness in witnesses)
    taken = footprint.report(_WARM_UP_SHARE * minutes * 60.0)
    recoveries = [value for life in lives for value in life.recovery_s]
    return {
        "minutes": minutes,
        "outlets": outlets,
        "seed": seed,
        "kills": sum(life.kills for life in lives),
        "hangs": sum(life.hangs for life in lives),
        "wrong_samples": sum(life.wrong_samples for life in lives),
        "received_samples": sum(life.received for life in lives),
        "missing_samples": sum(life.missing for life in lives),
        "stale_acts": sum(life.stale_acts for life in lives),
        "worker_restarts": restarts,
        "recovery_s": {
            "n": len(recoveries),
            "p50": round(float(np.median(recoveries)), 3) if recoveries else None,
            "p99": round(float(np.percentile(recoveries, 99)), 3) if recoveries else None,
            "max": round(max(recoveries), 3) if recoveries else None,
            "late": sum(value > _BACK_S for value in recoveries),
            "killed_before": sum(life.cut_short for life in lives),
        },
        "problems": [problem for life in lives for problem in life.problems],
        "late": [told for life in lives for told in life.late][:_MOST_TOLD],
        **taken,
    }


def _torment(
    scene: Scene,
    feeder: Feeder,
    witness: Witness,
    life: _Life,
    end: float,
    *,
    chance: random.Random,
    life_s: tuple[float, float],
) -> None:
    """Kill one outlet again and again, then leave it be and look at what came."""
    first = t0 = None
    try:
        while True:
            lives_until = time.monotonic() + chance.uniform(*life_s)
            stood = local_clock()
            if life.kills:
                _await_return(witness, life, stood, lives_until if lives_until < end else None)
            time.sleep(max(0.0, min(lives_until, end) - time.monotonic()))
            if time.monotonic() >= end:
                break
            if t0 is None:
                report = feeder.tell("report")
                first, t0 = report["first"], report["t0"]
            feeder.kill()
            life.kills += 1
            time.sleep(chance.uniform(*_PAUSE_S))
            feeder = scene.started(feeder.again(t0))
        _account(scene, feeder, witness, life, first=first)
    except BrokenError as error:
        life.hangs += 1
        life.problems.append(f"{witness.session}: {error.message}")


def _await_return(witness: Witness, life: _Life, stood: float, lives_until: float | None) -> None:
    """Wait for the first decision on samples of an outlet that stands since ``stood``."""
    left_s = _HANG_S if lives_until is None else max(0.0, lives_until - time.monotonic())

    def decides(message: Any) -> bool:
        return isinstance(message, IntentBase) and message.t_sample > stood

    try:
        received = witness.wait(decides, "the session's return", timeout_s=left_s)
    except BrokenError:
        if lives_until is None:
            raise
        # Killed before it was back; late all the same if it had lived for long enough.
        if left_s > _BACK_S:
            _note_return(witness, life, stood, left_s)
        else:
            life.cut_short += 1
        return
    _note_return(witness, life, stood, received.t - stood)


def _note_return(witness: Witness, life: _Life, stood: float, seconds: float) -> None:
    life.recovery_s.append(seconds)
    if seconds > _BACK_S:
        told = _said(witness, stood - _MOST_BEFORE_S, zero=stood)
        life.late.append(f"{witness.session}, back after {seconds:.2f} s: {told}")


def _said(witness: Witness, since: float, *, zero: float = 0.0) -> str:
    """Tell what a session said of itself, and when."""
    return "; ".join(
        f"{r.t - zero:.2f} s {r.message.state}: {r.message.reason}"
        for r in tuple(witness.received)
        if isinstance(r.message, Status) and r.t > since
    )


def _account(
    scene: Scene,
    feeder: Feeder,
    witness: Witness,
    life: _Life,
    *,
    first: int | None,
) -> None:
    """Hold what a session received to what there was."""
    report = feeder.tell("pause")
    first = report["first"] if first is None else first
    span = report["next"] - first
    deadline = time.monotonic() + 5.0
    while True:
        counts = scene.continuity(witness)
        accounted = counts["samples"] - counts["repeated"] + counts["missing"]
        if accounted == span or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    life.received, life.missing = counts["samples"], counts["missing"]
    numbers = _numbers(witness, report["t0"], feeder.stream.rate_hz)
    off_grid = [number for number in numbers if abs(number - round(number)) > _OFF_GRID]
    life.wrong_samples = abs(accounted - span) + len(off_grid)
    if life.wrong_samples:
        life.problems.append(
            f"{witness.session}: {span} samples, {accounted} accounted for, {counts}; intents on "
            f"samples {[round(number, 4) for number in off_grid[:_MOST_TOLD]]}; clock "
            f"{scene.state(witness)['clock']}; said: {_said(witness, report['t'] - _HANG_S * 6)}"
        )
    acts = list(witness.acts())
    life.stale_acts = sum(
        act.until > act.intent.t_sample + act.intent.expires_s + 1e-6 for act in acts
    )


def _numbers(witness: Witness, t0: float, rate_hz: float) -> list[float]:
    """Give the numbers of the samples that the intents rest on."""
    stamps = [r.message.t_sample for r in witness.intents() if isinstance(r.message, IntentBase)]
    return [(stamp - t0) * rate_hz for stamp in stamps]
