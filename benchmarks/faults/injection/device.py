"""Devices and marker programs that are not what they say: rate, stamps, clock, markers."""

from __future__ import annotations

import time
from uuid import uuid4

from volition.benchmarks.faults.injection.scene import DECODER, Scene, require, wait_until
from volition.benchmarks.faults.injection.witness import Witness, asks
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.streams.lsl.clock import local_clock, utc_offset_s
from volition.streams.lsl.outlet import MarkerOutlet

_LASTS_S = 2.0
_PACKET = 12


def announces_another_rate(scene: Scene) -> None:
    """Rate 20 % below the one that is announced."""
    feeder = scene.feeder(true_rate_hz=200.0)
    witness = scene.open(feeder.stream.source_id)
    began = witness.wait_for_state("running").t
    told = witness.wait(
        lambda m: isinstance(m, IdleIntent) and m.reason == "rate", "an idle intent that says so"
    )
    # The first window is not whole before.
    scene.saw(told, began + 0.6)
    time.sleep(_LASTS_S)
    orders = [r for r in witness.received if asks(r.message)]
    require(not orders, f"{len(orders)} orders rest on a rate that is wrong")
    rate_hz = scene.continuity(witness)["rate_hz"]
    require(abs(rate_hz - 200.0) < 1.0, f"200 Hz come, told are {rate_hz:.2f}")
    scene.note(f"told: {rate_hz:.1f} Hz; nothing is decided until stream.rate_hz is set")
    given = scene.session(feeder, stream={"rate_hz": 200.0})
    _all_right(given)
    scene.judge(given, feeder)


def stamps_packets(scene: Scene) -> None:
    """Packets that share one stamp, some of them lost."""
    feeder = scene.feeder(chunk_samples=_PACKET, stamps="equal")
    witness = scene.session(feeder)
    lost = 0
    for _ in range(6):
        feeder.tell("skip", n=_PACKET)
        lost += _PACKET
        time.sleep(0.3)
    time.sleep(_LASTS_S)
    report = feeder.tell("pause")
    counts = scene.settled(witness, feeder, report)
    scene.lost(lost, counts["missing"])
    require(counts["resets"] == 0, f"{counts['resets']} resets though no gap is long")
    require(counts["stamping"] == "packet", f"the stamping is told as {counts['stamping']}")
    _all_right(witness)


def stamps_by_the_time_of_day(scene: Scene) -> None:
    """Stamps that are Unix time."""
    feeder = scene.feeder()
    feeder.tell("shift", s=utc_offset_s())
    since = local_clock()
    witness = scene.open(feeder.stream.source_id)
    wait_until(
        lambda: any("time of day" in reason for reason in witness.reasons()),
        lambda: f"the clock is not told of: {witness.reasons()}",
        timeout_s=15.0,
    )
    scene.note(
        f"refused after {local_clock() - since:.1f} s, and mapped where stream.clock is unix"
    )
    mapped = scene.session(feeder, stream={"clock": "unix"})
    time.sleep(_LASTS_S)
    newest = mapped.intents()[-1]
    off_s = getattr(newest.message, "t_sample", 0.0) - newest.t
    require(abs(off_s) < 0.5, f"an intent's sample lies {off_s:.3f} s from its receipt")
    _all_right(mapped)


def markers_end(scene: Scene) -> None:
    """A marker program that ends while the headset goes on, and one that begins."""
    source_id = f"markers-{uuid4().hex}"
    feeder = scene.feeder()
    with MarkerOutlet("stimuli", source_id) as outlet:
        witness = scene.session(feeder, markers={"source_id": source_id})
        outlet.push("hello")
        time.sleep(0.5)
        playing = witness.mark()
    since = local_clock()
    wait_until(
        lambda: any("looked for again" in w for w in _warnings(scene, witness)),
        lambda: f"it is not told of: {_warnings(scene, witness)}",
        timeout_s=5.0,
    )
    scene.saw_at(local_clock(), since)
    place = witness.mark()
    witness.wait_for_order(after=place, timeout_s=2.0)
    ended = local_clock()
    with MarkerOutlet("stimuli", source_id):
        wait_until(
            lambda: (scene.state(witness).get("markers") or {}).get("connected"),
            lambda: "the markers are not found again",
            timeout_s=8.0,
        )
        scene.note(f"found again after {local_clock() - ended:.1f} s")
    states = {*witness.states(after=playing)}
    require(states <= {"running"}, f"the signal did not go on: {sorted(states)}")
    _goes_on_whole(scene, witness)


def markers_are_odd(scene: Scene) -> None:
    """Markers nested without end, of control characters, of a megabyte, and of another clock."""
    source_id = f"markers-{uuid4().hex}"
    feeder = scene.feeder()
    with MarkerOutlet("stimuli", source_id) as outlet:
        witness = scene.session(feeder, markers={"source_id": source_id})
        for text in ('{"event": "a", "b": ' + "[" * 5000, "\x01\x1b[31m", "x" * 1_000_000, ""):
            outlet.push(text)
        outlet.push("far", time.time())
        since = local_clock()
        wait_until(
            lambda: (scene.state(witness).get("markers") or {}).get("refused") == 1,
            lambda: (
                f"the marker of another clock is not told of: {scene.state(witness)['markers']}"
            ),
            timeout_s=5.0,
        )
        scene.saw_at(local_clock(), since)
    _goes_on_whole(scene, witness)


def trigger_channel_never_rests(scene: Scene) -> None:
    """Trigger channel that holds another code at every sample: 125 events a second."""
    feeder = scene.feeder(rate_hz=125.0)
    decoder = {**DECODER, "trigger": "markers", "delay_s": 0.0}
    # The feeder's last channel counts its samples.
    witness = scene.session(feeder, decoder=decoder, stream={"trigger_channel": "ramp"})
    since = local_clock()
    wait_until(
        lambda: any("more than 100 in a second" in one for one in _warnings(scene, witness)),
        lambda: f"it is not told of: {_warnings(scene, witness)}",
        timeout_s=5.0,
    )
    scene.saw_at(local_clock(), since)
    t0 = feeder.tell("report")["t0"]
    asked = [m.t_trigger for r in witness.intents() if isinstance(m := r.message, SelectionIntent)]
    numbers = [(t - t0) * feeder.stream.rate_hz for t in asked if t is not None]
    require(bool(numbers), "no decision followed from a code")
    off = max(abs(number - round(number)) for number in numbers)
    require(off < 0.01, f"an event lies {off:.2f} samples from the sample that holds its code")
    told = scene.state(witness)["triggers"]
    scene.note(f"{told['count']} codes read; the first 100 of each second ask for a decision")
    _all_right(witness)
    _goes_on_whole(scene, witness)


def _warnings(scene: Scene, witness: Witness) -> list[str]:
    return list(scene.client.session(witness.session).warnings)


def _all_right(witness: Witness) -> None:
    labels = {m.label for r in witness.intents() if isinstance(m := r.message, SelectionIntent)}
    require(labels == {"looked at"}, f"selected are {sorted(labels)}")


def _goes_on_whole(scene: Scene, witness: Witness) -> None:
    place = witness.mark()
    witness.wait_for_order(after=place, timeout_s=3.0)
    counts = scene.continuity(witness)
    scene.lost(0, counts["missing"])
    require(counts["resets"] == 0, "the signal began anew")


FAULTS = (
    announces_another_rate,
    stamps_packets,
    stamps_by_the_time_of_day,
    markers_end,
    markers_are_odd,
    trigger_channel_never_rests,
)
