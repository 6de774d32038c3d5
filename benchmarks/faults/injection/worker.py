"""The worker dies or hangs, and its model is not what it should be."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import RECOVERED_S, WINDOW_S, Scene, require
from volition.benchmarks.faults.injection.witness import Witness, asks
from volition.decoders.contract.intent import IdleIntent, IntentBase
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock

#: How long a session runs before its worker dies: the service keeps one worker in reserve, and
#: needs a while to make another when a session has taken it.
_RUNS_S = 3.0
_STEP_S = 0.1


def is_killed(scene: Scene) -> None:
    """Worker killed (SIGKILL)."""
    _dies(scene, signal.SIGKILL)


def aborts(scene: Scene) -> None:
    """Worker aborts, as liblsl can make it (SIGABRT)."""
    _dies(scene, signal.SIGABRT)


def hangs(scene: Scene) -> None:
    """Worker hangs (SIGSTOP) until it is taken for dead."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    time.sleep(_RUNS_S)
    place, since = witness.mark(), local_clock()
    worker = scene.worker(witness)
    worker.suspend()
    scene.saw(witness.wait_for_state("degraded", "connecting", after=place), since)
    given_up = witness.wait_for_state("connecting", after=place).t
    order = witness.wait(
        lambda m: isinstance(m, IntentBase) and m.epoch == 2, "its successor's intent", after=place
    )
    scene.took(order, given_up, within_s=RECOVERED_S + WINDOW_S)
    scene.note(f"taken for dead after {given_up - since:.1f} s")
    scene.judge(witness, feeder)
    require(not psutil.pid_exists(worker.pid), "the worker that hung is still there")


def sleeps_and_wakes(scene: Scene) -> None:
    """Worker suspended for 2 s (SIGSTOP, SIGCONT)."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    place, since = witness.mark(), local_clock()
    worker = scene.worker(witness)
    worker.suspend()
    scene.saw(witness.wait_for_state("degraded", after=place), since)
    time.sleep(max(0.0, since + 2.0 - local_clock()))
    place, woke = witness.mark(), local_clock()
    worker.resume()
    witness.wait_for_state("running", after=place)
    scene.recovered(witness, woke, after=place)
    report = feeder.tell("pause")
    scene.lost(0, scene.settled(witness, feeder, report)["missing"])
    feeder.tell("play", skip_missed=True)
    scene.judge(witness, feeder)


def crashes_again_and_again(scene: Scene) -> None:
    """Worker killed each time it is started."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    place = witness.mark()
    for life in range(1, 6):
        witness.wait(
            lambda m, life=life: isinstance(m, IntentBase) and m.epoch == life,  # type: ignore[misc]  # bound now
            f"an intent of life {life}",
        )
        scene.worker(witness).kill()
    failed = witness.wait_for_state("failed", after=place)
    reason = getattr(failed.message, "reason", "")
    require("crashes" in reason, f"the reason is no crash loop: {reason}")
    scene.note(reason)
    scene.judge(witness, feeder)


def has_no_model(scene: Scene) -> None:
    """Model file missing."""
    _fails_with_a_reason(scene, scene.folder / "nothing.npz", "nothing.npz")


def has_half_a_model(scene: Scene) -> None:
    """Model file truncated."""
    path = _fit().save(scene.folder / "whole.npz")
    half = scene.folder / "half.npz"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _fails_with_a_reason(scene, half, "half.npz")


def has_a_model_of_nan(scene: Scene) -> None:
    """Model file that holds NaN."""
    model = _fit()
    arrays = {**model.arrays, "A": np.full_like(model.arrays["A"], np.nan)}
    path = type(model)(model.kind, arrays, model.facts).save(scene.folder / "nan.npz")
    _fails_with_a_reason(scene, path, "finite")


def has_a_model_that_yields_nan(scene: Scene) -> None:
    """Model that yields NaN once it runs."""
    feeder = scene.feeder()
    model = _fit()
    # Finite numbers, and too large to be multiplied: inf - inf within a few bins.
    arrays = {**model.arrays, "A": np.array([[1e200, -1e200], [1e200, 1e200]])}
    path = type(model)(model.kind, arrays, model.facts).save(scene.folder / "huge.npz")
    witness = scene.open(feeder.stream.source_id, decoder=_decoder(path))
    witness.wait(
        lambda m: (
            (isinstance(m, IdleIntent) and m.reason == "not_finite")
            or (isinstance(m, Status) and m.state == "failed")
        ),
        "an idle intent that says so, or a failed session",
        timeout_s=40.0,
    )
    place = witness.mark()
    time.sleep(1.0)
    orders = [r for r in witness.received[place:] if asks(r.message)]
    require(not orders, f"{len(orders)} orders came after it")
    view = scene.client.session(witness.session)
    scene.note(f"{view.state}: {view.reason}")
    scene.judge(witness, feeder)


def _dies(scene: Scene, by: signal.Signals) -> None:
    feeder = scene.feeder()
    witness = scene.session(feeder)
    time.sleep(_RUNS_S)
    place, since = witness.mark(), local_clock()
    scene.worker(witness).send_signal(by)
    scene.saw(witness.wait_for_state("connecting", after=place), since)
    order = witness.wait(
        lambda m: isinstance(m, IntentBase) and m.epoch == 2, "its successor's intent", after=place
    )
    scene.took(order, since, within_s=RECOVERED_S + WINDOW_S)
    scene.judge(witness, feeder)
    require(scene.client.session(witness.session).state == "running", "it does not run again")
    lost = scene.client.state(witness.session).lost_with_workers
    least = _seconds_between(witness) * feeder.stream.rate_hz
    require(lost >= least, f"{lost} samples are said to be lost, {least:.0f} are at the least")
    scene.note(f"up to {lost} samples are said to be lost with it")


def _seconds_between(witness: Witness) -> float:
    """Give how long no intent rested on a sample, less what the first decision looks back on."""
    told = [r.message for r in witness.intents() if isinstance(r.message, IntentBase)]
    last = max(intent.t_sample for intent in told if intent.epoch == 1)
    first = min(intent.t_sample for intent in told if intent.epoch == 2)
    return first - last - WINDOW_S - _STEP_S


def _fails_with_a_reason(scene: Scene, model: Path, told: str) -> None:
    feeder: Feeder = scene.feeder()
    witness: Witness = scene.open(feeder.stream.source_id, decoder=_decoder(model))
    failed = witness.wait_for_state("failed")
    opened = [r.t for r in witness.received if getattr(r.message, "state", "") == "connecting"]
    reason = getattr(failed.message, "reason", "")
    require(told in reason, f"the reason does not name it: {reason}")
    require(not witness.intents(), "there were intents")
    require(scene.client.session(witness.session).epoch == 1, "it was tried again and again")
    scene.note(f"{reason}; {failed.t - opened[0]:.1f} s after the stream was looked for")
    scene.figures.acts = scene.figures.stale_acts = 0


def _decoder(model: Path) -> dict[str, Any]:
    return {"kind": "kalman", "model": str(model), "step_s": 0.02}


def _fit() -> Any:
    random = np.random.default_rng(3)
    velocities = np.cumsum(random.normal(size=(400, 2)), axis=0) * 0.05
    mixing = random.normal(size=(2, 4))
    features = velocities @ mixing + 0.1 * random.normal(size=(400, 4))
    return KalmanDecoder.fit(KalmanSettings(step_s=0.02), features, velocities)


FAULTS: tuple[Callable[[Scene], None], ...] = (
    is_killed,
    aborts,
    hangs,
    sleeps_and_wakes,
    crashes_again_and_again,
    has_no_model,
    has_half_a_model,
    has_a_model_of_nan,
    has_a_model_that_yields_nan,
)

ALONE: frozenset[Callable[[Scene], None]] = frozenset({is_killed, aborts, hangs})
"""Faults that run when no other does: there is one worker in reserve, and others would take it."""
