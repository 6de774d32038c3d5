"""The stream ends, freezes, comes back as itself or as another, or was never there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import RECOVERED_S, WINDOW_S, Scene, require
from volition.benchmarks.faults.injection.witness import Witness
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock

_AWAY_S = 1.0
_REFUSED_S = 6.0


def restarts_as_it_was(scene: Scene) -> None:
    """Outlet killed and restarted, same id."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    last, t0 = _kill(scene, feeder, witness)
    time.sleep(_AWAY_S)
    again = _come_back(scene, feeder.again(t0), witness, last)
    scene.judge(witness, again)
    require(scene.client.session(witness.session).epoch == 1, "the worker did not live through it")


def restarts_at_another_rate(scene: Scene) -> None:
    """Outlet restarted at another rate."""
    _restarts_as_another(scene, "500 Hz", rate_hz=500.0)


def restarts_with_fewer_channels(scene: Scene) -> None:
    """Outlet restarted with fewer channels."""
    _restarts_as_another(scene, "channel", labels=("1", "2", "3"))


def restarts_in_another_order(scene: Scene) -> None:
    """Outlet restarted with its channels in another order, which is refused."""
    _restarts_as_another(scene, "4, 3, 2, 1", labels=("4", "3", "2", "1"))


def restarts_in_another_order_remapped(scene: Scene) -> None:
    """Outlet restarted with its channels in another order, which is remapped."""
    feeder = scene.feeder()
    witness = scene.session(feeder, stream={"channels": None, "on_change": "remap"})
    last, t0 = _kill(scene, feeder, witness)
    time.sleep(_AWAY_S)
    other = feeder.again(t0, labels=("4", "3", "2", "1"))
    scene.judge(witness, _come_back(scene, other, witness, last))


def freezes_and_bursts(scene: Scene) -> None:
    """Outlet frozen for 5 s (SIGSTOP), then a burst of all it held back."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    place = witness.mark()
    frozen = local_clock()
    feeder.process.suspend()
    scene.saw(witness.wait_for_state("degraded", "connecting", after=place), frozen)
    time.sleep(max(0.0, frozen + 5.0 - local_clock()))
    place, woke = witness.mark(), local_clock()
    feeder.process.resume()
    scene.recovered(witness, woke, after=place)
    report = feeder.tell("pause")
    counts = scene.settled(witness, feeder, report)
    scene.lost(0, counts["missing"])
    feeder.tell("play", skip_missed=True)
    scene.judge(witness, feeder)


def eight_of_one_name(scene: Scene) -> None:
    """Eight outlets of one name."""
    name = f"same-{uuid4().hex}"
    feeders = [scene.feeder(name=name) for _ in range(8)]
    made = local_clock()
    witness = scene.listen(
        scene.client,
        scene.client.create_session(
            {
                "stream": {"name": name},
                "decoder": {"kind": "fbcca", "targets": _TARGETS},
            }
        ).id,
    )
    told = witness.wait(
        lambda m: isinstance(m, Status) and "8 streams" in m.reason, "a sentence about all eight"
    )
    require("source_id" in getattr(told.message, "reason", ""), "it does not say how to choose")
    require("running" not in witness.states(), "one of the eight was chosen")
    scene.note(f"none is chosen; told after {told.t - made:.1f} s")
    by_id = scene.session(feeders[3])
    stream = scene.client.session(by_id.session).stream
    require(
        stream is not None and stream.source_id == feeders[3].stream.source_id,
        "another one of the eight was opened",
    )
    scene.judge(by_id, feeders[3])


def none_at_all(scene: Scene) -> None:
    """No stream at all, then one appears."""
    source_id = f"late-{uuid4().hex}"
    witness = scene.open(source_id)
    asked = local_clock()
    scene.saw(witness.wait_for_state("created", "connecting"), asked)
    told = witness.wait(
        lambda m: isinstance(m, Status) and source_id in m.reason, "a sentence that names it"
    )
    scene.note(f"what is there instead is told after {told.t - asked:.1f} s")
    require(not witness.intents(), "there are intents without a stream")
    place = witness.mark()
    feeder = scene.feeder(source_id=source_id)
    appeared = local_clock()
    order = witness.wait_for_order(after=place)
    scene.took(order, appeared, within_s=RECOVERED_S + WINDOW_S)
    report = feeder.tell("pause")
    counts = scene.settled(witness, feeder, report)
    scene.lost(report["next"] - report["first"] - report["sent"], counts["missing"])
    feeder.tell("play", skip_missed=True)
    scene.judge(witness, feeder)


def _kill(scene: Scene, feeder: Feeder, witness: Witness) -> tuple[int, float]:
    """Kill a feeder when all it sent has arrived; give its last sample and the grid's origin."""
    report = feeder.tell("pause")
    scene.settled(witness, feeder, report)
    place = witness.mark()
    killed = local_clock()
    feeder.kill()
    scene.saw(witness.wait_for_state("connecting", "degraded", after=place), killed)
    return report["next"] - 1, report["t0"]


def _come_back(scene: Scene, feeder: Feeder, witness: Witness, last: int) -> Feeder:
    """Wait until a session is back on a feeder that stands again; compare what is counted."""
    place = witness.mark()
    scene.started(feeder)
    scene.recovered(witness, local_clock(), after=place, within_s=RECOVERED_S + WINDOW_S)
    report = feeder.tell("report")
    scene.lost(report["first"] - last - 1, scene.continuity(witness)["missing"])
    return feeder


def _restarts_as_another(scene: Scene, told: str, **changes: Any) -> None:
    feeder = scene.feeder()
    witness = scene.session(feeder, stream={"channels": None})
    last, t0 = _kill(scene, feeder, witness)
    place = witness.mark()
    other = scene.started(feeder.again(t0, **changes))
    appeared = local_clock()
    refused = witness.wait(
        lambda m: isinstance(m, Status) and told in m.reason, f"a reason with {told}", after=place
    )
    reason = getattr(refused.message, "reason", "")
    scene.note(f"refused after {refused.t - appeared:.1f} s: {reason}")
    time.sleep(1.0)
    states = witness.states(place)
    require({*states} <= {"connecting", "degraded"}, f"it was {', '.join(states)}")
    require(not any(r.t > appeared for r in witness.intents()), "there were intents from it")
    other.kill()
    scene.judge(witness, _come_back(scene, feeder.again(t0), witness, last))


_TARGETS = [{"label": "a", "freq_hz": 9.0}, {"label": "b", "freq_hz": 12.0}]

FAULTS: tuple[Callable[[Scene], None], ...] = (
    restarts_as_it_was,
    restarts_at_another_rate,
    restarts_with_fewer_channels,
    restarts_in_another_order,
    restarts_in_another_order_remapped,
    freezes_and_bursts,
    eight_of_one_name,
    none_at_all,
)
