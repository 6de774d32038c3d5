"""The samples themselves are wrong: missing, twice, no numbers, stamped wrongly, oddly cut."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import Scene, require, wait_until
from volition.benchmarks.faults.injection.witness import Witness, asks
from volition.decoders.contract.intent import IdleIntent
from volition.streams.lsl.clock import local_clock

_LASTS_S = 1.5
_BRIDGED, _NOT_BRIDGED = 20, 200  # samples of 4 ms; 50 of them are 0.2 s


def repeats(scene: Scene) -> None:
    """Samples sent twice."""
    feeder, witness = _playing(scene)
    since = local_clock()
    for _ in range(5):
        feeder.tell("repeat")
    scene.saw_count(witness, "repeated", 25, since)
    counts = _paused(scene, feeder, witness)
    require(counts["repeated"] == 25, f"25 samples came twice, {counts['repeated']} are counted")
    scene.lost(0, counts["missing"])
    _goes_on(scene, feeder, witness)


def misses_a_few(scene: Scene) -> None:
    """Samples missing, few enough to be bridged."""
    _misses(scene, _BRIDGED, bridged=True)


def misses_many(scene: Scene) -> None:
    """Samples missing, too many to be bridged."""
    _misses(scene, _NOT_BRIDGED, bridged=False)


def is_nan(scene: Scene) -> None:
    """All channels NaN."""
    _no_numbers(scene, "nan")


def is_infinite(scene: Scene) -> None:
    """One channel infinite."""
    _no_numbers(scene, "inf", channels=[1])


def is_saturated(scene: Scene) -> None:
    """A channel at the amplifier's rail."""
    _bad_channel(scene, "saturated")


def is_flat(scene: Scene) -> None:
    """A flat channel."""
    _bad_channel(scene, "flat")


def jumps_20_s_ahead(scene: Scene) -> None:
    """Stamps jump 20 s ahead and back."""
    _jumps(scene, 20.0)


def jumps_20_s_back(scene: Scene) -> None:
    """Stamps jump 20 s back and ahead again."""
    _jumps(scene, -20.0)


def jumps_200000_s_ahead(scene: Scene) -> None:
    """Stamps jump 200,000 s ahead and back."""
    _jumps(scene, 200_000.0)


def jumps_200000_s_back(scene: Scene) -> None:
    """Stamps jump 200,000 s back and ahead again."""
    _jumps(scene, -200_000.0)


def runs_backward(scene: Scene) -> None:
    """Stamps that run backward within each packet."""
    feeder, witness = _playing(scene)
    since = feeder.tell("stamps", how="backward")["t"]
    scene.saw_count(witness, "early_stamps", 4, since)
    time.sleep(_LASTS_S)
    place = witness.mark()
    ended = feeder.tell("stamps", how="own")["t"]
    scene.recovered(witness, ended, after=place)
    scene.lost(0, _paused(scene, feeder, witness)["missing"])
    # What replaces a wrong stamp lies on no grid of ours.
    _goes_on(scene, feeder, witness, grid=0.0)


def stands_still(scene: Scene) -> None:
    """Equal stamps within each packet, all of a sudden."""
    feeder = scene.feeder()
    witness = scene.session(feeder)
    own = feeder.tell("stamps", how="equal")["next"] - feeder.tell("report")["first"]
    time.sleep(_LASTS_S)
    counts = _paused(scene, feeder, witness)
    packets = (counts["samples"] - own) // feeder.stream.chunk_samples
    expected = packets * (feeder.stream.chunk_samples - 1)
    found = counts["equal_stamps"]
    require(found == expected, f"{expected} stamps were equal to the one before, told are {found}")
    scene.lost(0, counts["missing"])
    _goes_on(scene, feeder, witness, grid=0.0)


def is_too_fast(scene: Scene) -> None:
    """Rate 1 % above the nominal one."""
    feeder = scene.feeder(true_rate_hz=252.5)
    witness = scene.session(feeder)
    drift = wait_until(
        lambda: scene.continuity(witness)["drift_ppm"],
        lambda: "no drift is told",
        timeout_s=10.0,
    )
    require(abs(drift - 10_000) < 200, f"the rate is off by 10,000 ppm, told are {drift:.0f}")
    scene.note(f"told: {drift:.0f} ppm")
    feeder.tell("skip", n=_BRIDGED)
    time.sleep(_LASTS_S)
    scene.lost(_BRIDGED, _paused(scene, feeder, witness)["missing"])
    _goes_on(scene, feeder, witness)


def sends_nothing(scene: Scene) -> None:
    """Empty chunks among the full ones."""
    feeder, witness = _playing(scene)
    for _ in range(20):
        feeder.tell("empty")
    _nothing_is_wrong(scene, feeder, witness)


def sends_one_by_one(scene: Scene) -> None:
    """Chunks of one sample."""
    feeder = scene.feeder(chunk_samples=1)
    witness = scene.session(feeder)
    time.sleep(_LASTS_S)
    _nothing_is_wrong(scene, feeder, witness)


def sends_ten_seconds_at_once(scene: Scene) -> None:
    """A chunk of 10 s, and silence until it came."""
    feeder, witness = _playing(scene)
    place, since = witness.mark(), local_clock()
    feeder.tell("chunk", n=2500)
    scene.saw(witness.wait_for_state("degraded", after=place), since)
    wait_until(
        lambda: feeder.tell("report")["sent"] >= 2500, lambda: "nothing was sent", timeout_s=15.0
    )
    place, sent = witness.mark(), local_clock()
    feeder.tell("chunk", n=5)
    scene.recovered(witness, sent, after=place)
    _nothing_is_wrong(scene, feeder, witness)


def _playing(scene: Scene) -> tuple[Feeder, Witness]:
    feeder = scene.feeder()
    return feeder, scene.session(feeder)


def _paused(scene: Scene, feeder: Feeder, witness: Witness) -> dict[str, Any]:
    """Give the counts when all that was sent has arrived, which they must account for."""
    report = feeder.tell("pause")
    return scene.settled(witness, feeder, report)


def _goes_on(scene: Scene, feeder: Feeder, witness: Witness, **judged: Any) -> None:
    place = witness.mark()
    feeder.tell("play", skip_missed=True)
    witness.wait_for_order(after=place, timeout_s=5.0)
    scene.judge(witness, feeder, **judged)


def _nothing_is_wrong(scene: Scene, feeder: Feeder, witness: Witness) -> None:
    counts = _paused(scene, feeder, witness)
    require(counts["repeated"] == 0, f"{counts['repeated']} samples are said to have come twice")
    scene.lost(0, counts["missing"])
    _goes_on(scene, feeder, witness)


def _misses(scene: Scene, n: int, *, bridged: bool) -> None:
    feeder, witness = _playing(scene)
    place, since = witness.mark(), local_clock()
    report = feeder.tell("skip", n=n)
    # Its samples are missing once the one after them has come.
    ended = report["t0"] + (report["next"] + 4) / feeder.stream.rate_hz
    scene.saw_count(witness, "missing", n, max(since, ended))
    scene.recovered(witness, ended, after=place)
    counts = _paused(scene, feeder, witness)
    scene.lost(n, counts["missing"])
    expected = n if bridged else 0
    require(counts["bridged"] == expected, f"{counts['bridged']} are bridged, not {expected}")
    _goes_on(scene, feeder, witness)


def _no_numbers(scene: Scene, what: str, channels: list[int] | None = None) -> None:
    feeder, witness = _playing(scene)
    place, since = witness.mark(), local_clock()
    feeder.tell("values", what=what, channels=channels or [0, 1, 2, 3])
    told = witness.wait(
        lambda m: isinstance(m, IdleIntent) and m.reason == "missing_samples",
        "an idle intent that says so",
        after=place,
    )
    scene.saw(told, since)
    time.sleep(_LASTS_S)
    orders = [r for r in witness.received[place:] if asks(r.message) and r.t > told.t]
    require(not orders, f"{len(orders)} orders rest on what is no number")
    place = witness.mark()
    ended = feeder.tell("values", what="", channels=[])["t"]
    scene.recovered(witness, ended, after=place)
    counts = _paused(scene, feeder, witness)
    require(counts["nonfinite"] > 0, "no such value is counted")
    scene.lost(0, counts["missing"])
    _goes_on(scene, feeder, witness)


def _bad_channel(scene: Scene, what: str) -> None:
    feeder, witness = _playing(scene)

    def told() -> bool:
        channels = {channel["label"]: channel[what] for channel in scene.state(witness)["quality"]}
        require(not any(channels[label] for label in "124"), f"a good channel is said to be {what}")
        return bool(channels["3"])

    require(not told(), f"a good channel is said to be {what}")
    since = feeder.tell("values", what=what, channels=[2])["t"]
    wait_until(told, lambda: f"channel 3 is not said to be {what}", timeout_s=5.0)
    scene.saw_at(local_clock(), since)
    ended = feeder.tell("values", what="", channels=[])["t"]
    wait_until(lambda: not told(), lambda: f"it is still said to be {what}", timeout_s=10.0)
    scene.took_until(local_clock(), ended)
    scene.lost(0, _paused(scene, feeder, witness)["missing"])
    _goes_on(scene, feeder, witness)


def _jumps(scene: Scene, shift_s: float) -> None:
    feeder, witness = _playing(scene)
    since = local_clock()
    feeder.tell("shift", s=shift_s)
    first, second = ("jumps_forward", "jumps_backward")[:: 1 if shift_s > 0 else -1]
    scene.saw_count(witness, first, 1, since)
    time.sleep(_LASTS_S)
    place = witness.mark()
    ended = feeder.tell("shift", s=0.0)["t"]
    scene.recovered(witness, ended, after=place)
    counts = _paused(scene, feeder, witness)
    found = counts[first], counts[second]
    require(found == (1, 1), f"of one jump either way {found} are counted")
    scene.lost(0, counts["missing"])
    _goes_on(scene, feeder, witness, shifts_s=(0.0, shift_s))


FAULTS: tuple[Callable[[Scene], None], ...] = (
    repeats,
    misses_a_few,
    misses_many,
    is_nan,
    is_infinite,
    is_saturated,
    is_flat,
    jumps_20_s_ahead,
    jumps_20_s_back,
    jumps_200000_s_ahead,
    jumps_200000_s_back,
    runs_backward,
    stands_still,
    is_too_fast,
    sends_nothing,
    sends_one_by_one,
    sends_ten_seconds_at_once,
)
