"""Samples are laid out by what arrived, whatever the device announces and however it stamps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.continuity import Continuity, ContinuitySettings
from volition.streams.signal.timeline import Timeline

ANNOUNCED_HZ = 250.0


@dataclass
class Sent:
    """What a device sends: each sample holds its number."""

    numbers: npt.NDArray[np.int_]
    stamps: FloatArray
    rate_hz: float

    @property
    def true_times(self) -> FloatArray:
        times: FloatArray = 1000.0 + self.numbers / self.rate_hz
        return times


def device(
    rate_hz: float,
    packet: int,
    late_s: float = 0.0,
    seconds: float = 20.0,
    *,
    lost: float = 0.0,
    push_s: float = 0.0,
    seed: int = 0,
) -> Sent:
    """Stamp packets when they arrive, late by chance; lose some; push their samples one by one."""
    rng = np.random.default_rng(seed)
    n_packets = max(8, int(rate_hz * seconds) // packet)
    numbers = np.arange(n_packets * packet)
    arrival = 1000.0 + ((np.arange(n_packets) + 1) * packet - 1) / rate_hz
    arrival += rng.uniform(0.0, late_s, n_packets) if late_s else 0.0
    stamps = np.repeat(arrival, packet) + np.tile(push_s * np.arange(packet), n_packets)
    came = rng.random(n_packets) >= lost
    came[: max(2, int(1.5 * rate_hz / packet))] = came[-3:] = True
    kept = np.repeat(came, packet)
    return Sent(numbers[kept], stamps[kept], rate_hz)


@dataclass
class Seen:
    """What a pipeline would see."""

    numbers: FloatArray
    times: FloatArray
    trusted: npt.NDArray[np.bool_]
    continuity: Continuity

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        result: npt.NDArray[np.bool_] = ~np.isnan(self.numbers)
        return result

    def lateness(self, sent: Sent) -> FloatArray:
        """Give how far each sample was laid out behind its true time."""
        late: FloatArray = self.times[self.real] - sent.true_times
        return late


def see(
    sent: Sent,
    cuts: Sequence[int] | int = 7,
    announced_hz: float = ANNOUNCED_HZ,
    options: ContinuitySettings | None = None,
) -> Seen:
    """Pass it through, cut at ``cuts`` or every this many samples."""
    continuity = Continuity(SignalSpec(announced_hz, ("number",)), options)
    n = len(sent.stamps)
    inner = range(cuts, n, cuts) if isinstance(cuts, int) else sorted(cuts)
    numbers, times, trusted = [], [], []
    for start, stop in itertools.pairwise([0, *inner, n]):
        chunk = Chunk(
            sent.numbers[start:stop, np.newaxis].astype(float), sent.stamps[start:stop].copy()
        )
        pieces = [(chunk, continuity.trusted)]
        if not continuity.check(chunk):
            pieces = [(piece.chunk, piece.trusted) for piece in continuity.mend(chunk)]
        for piece, is_trusted in pieces:
            numbers.append(piece.samples[:, 0].copy())
            times.append(piece.times.copy())
            trusted.append(np.full(len(piece), is_trusted))
    return Seen(np.concatenate(numbers), np.concatenate(times), np.concatenate(trusted), continuity)


rates = st.floats(0.5, 1.5).map(lambda factor: factor * ANNOUNCED_HZ)
packets = st.integers(2, 64)
jitters = st.sampled_from([0.0, 0.001, 0.004, 0.015, 0.06]) | st.floats(0.0, 0.06)
seeds = st.integers(0, 2**16)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rates, packets, jitters, st.sampled_from([0.0, 5e-5]), seeds)
def test_no_sample_of_packets_is_taken_for_lost_whatever_their_rate_and_jitter(
    rate_hz: float, packet: int, late_s: float, push_s: float, seed: int
) -> None:
    sent = device(rate_hz, packet, late_s, push_s=push_s, seed=seed)

    seen = see(sent)

    assert np.array_equal(seen.numbers, sent.numbers)
    assert np.all(np.diff(seen.times) > 0)
    report = seen.continuity.report()
    assert (report["missing"], report["resets"]) == (0, 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rates, packets, jitters, seeds)
def test_the_rate_is_measured_as_well_as_it_says(
    rate_hz: float, packet: int, late_s: float, seed: int
) -> None:
    seen = see(device(rate_hz, packet, late_s, seconds=30.0, seed=seed))
    rate = seen.continuity.rate
    assert rate is not None
    assert abs(rate.hz - rate_hz) <= 2.5 * rate.uncertainty_hz
    assert rate.uncertainty_hz < 0.005 * ANNOUNCED_HZ


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rates.filter(lambda hz: abs(hz / ANNOUNCED_HZ - 1) > 0.025), packets, jitters, seeds)
def test_nothing_is_trusted_for_long_at_a_rate_that_is_wrong(
    rate_hz: float, packet: int, late_s: float, seed: int
) -> None:
    sent = device(rate_hz, packet, late_s, seed=seed)
    seen = see(sent)
    assert not seen.trusted[seen.times > 1003.0].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-0.004, 0.004), packets, jitters, seeds)
def test_a_rate_that_is_right_is_trusted(off: float, packet: int, late_s: float, seed: int) -> None:
    seen = see(device(ANNOUNCED_HZ * (1 + off), packet, late_s, seed=seed))
    assert seen.trusted[seen.times > 1008.0].all()


near_rates = st.tuples(st.floats(0.99, 1.01), st.floats(0.0, 0.3))
other_rates = st.tuples(st.floats(0.85, 1.15), st.floats(0.0, 0.03))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(near_rates | other_rates, st.integers(4, 64), st.floats(0, 0.2), seeds)
def test_lost_packets_are_counted_to_the_sample_where_they_last_longer_than_jitter(
    kind: tuple[float, float], packet: int, lost: float, seed: int
) -> None:
    factor, late = kind
    rate_hz = factor * ANNOUNCED_HZ
    sent = device(rate_hz, packet, late * packet / rate_hz, 30.0, lost=lost, seed=seed)
    n_lost = int(sent.numbers[-1]) + 1 - len(sent.numbers)

    seen = see(sent, options=ContinuitySettings(bridge_s=5.0))

    report = seen.continuity.report()
    assert report["missing"] == n_lost or report["uncertain"]
    assert abs(report["missing"] - n_lost) <= report["uncertain"]
    assert report["resets"] == 0
    assert np.array_equal(seen.numbers[seen.real], sent.numbers)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rates, packets, jitters, st.floats(0, 0.2), st.data())
def test_how_the_signal_is_cut_changes_nothing(
    rate_hz: float, packet: int, late_s: float, lost: float, data: st.DataObject
) -> None:
    sent = device(rate_hz, packet, late_s, 6.0, lost=lost)
    cuts = data.draw(st.lists(st.integers(0, len(sent.stamps)), max_size=30))

    whole, cut = see(sent, ()), see(sent, cuts)

    assert np.array_equal(whole.numbers, cut.numbers, equal_nan=True)
    assert np.array_equal(whole.times, cut.times)
    assert np.array_equal(whole.trusted, cut.trusted)
    assert whole.continuity.report() == cut.continuity.report()


@pytest.mark.parametrize("burst_s", [0.12, 0.25, 0.6, 1.0])
def test_bursts_are_laid_out_evenly_and_nothing_is_lost(burst_s: float) -> None:
    sent = device(250.0, round(250 * burst_s), 0.002, 40.0, push_s=5e-5)
    seen = see(sent)
    late = seen.lateness(sent)
    assert np.array_equal(seen.numbers, sent.numbers)
    assert np.ptp(late[len(late) // 3 :]) < 0.006
    assert seen.continuity.report()["stamping"] == "burst"


@pytest.mark.parametrize("late_s", [0.0, 0.004, 0.02])
def test_packets_are_laid_out_within_a_millisecond(late_s: float) -> None:
    sent = device(256.0, 12, late_s, 60.0)
    late = see(sent, announced_hz=256.0).lateness(sent)
    assert np.std(late[len(late) // 4 :]) < 0.001


@pytest.mark.parametrize(("announced_hz", "rate_hz"), [(250, 125), (500, 250), (256, 160)])
def test_exact_stamps_further_apart_than_announced_are_a_rate_and_no_loss(
    announced_hz: float, rate_hz: float
) -> None:
    sent = device(rate_hz, 1, 0.0)
    seen = see(sent, announced_hz=announced_hz)
    report = seen.continuity.report()
    assert report["missing"] == 0
    assert report["rate_hz"] == pytest.approx(rate_hz, rel=1e-4)
    assert not report["rate_trusted"]


def test_a_stall_whose_packets_follow_in_haste_loses_nothing() -> None:
    sent = device(250.0, 10, 0.003, 40.0)
    stalls = 1000.0 + np.array([12.0, 21.0, 33.0])
    stamps = sent.stamps.copy()
    for stall in stalls:
        held = (stamps >= stall) & (stamps < stall + 0.5)
        stamps[held] = stall + 0.5
    seen = see(Sent(sent.numbers, stamps, 250.0))
    report = seen.continuity.report()
    assert (report["missing"], report["resets"]) == (0, 0)


def test_a_lost_packet_is_found_when_the_next_one_is_whole() -> None:
    sent = device(256.0, 12, 0.005, 20.0)
    kept = sent.numbers // 12 != 200
    seen = see(Sent(sent.numbers[kept], sent.stamps[kept], 256.0), announced_hz=256.0)
    (places,) = np.nonzero(np.isnan(seen.numbers))
    assert len(places) == 12
    assert seen.numbers[places[0] - 1] == 12 * 202 - 1


def test_a_device_that_is_lost_for_long_begins_anew_at_the_measured_rate() -> None:
    sent = device(250.0, 12, 0.005, 20.0)
    kept = (sent.numbers < 2000) | (sent.numbers >= 2480)
    seen = see(Sent(sent.numbers[kept], sent.stamps[kept], 250.0))
    report = seen.continuity.report()
    assert report["resets"] == 1
    assert report["missing"] == 480


def shaken(packet: int, jitter_s: float, seed: int, rate_hz: float = 256.0) -> Sent:
    """Send samples evenly stamped within packets, each of which jitters as a whole."""
    rng = np.random.default_rng(seed)
    n_packets = int(rate_hz * 30.0) // packet
    numbers = np.arange(n_packets * packet)
    late = np.repeat(rng.uniform(0.0, jitter_s, n_packets), packet)
    return Sent(numbers, 1000.0 + numbers / rate_hz + late, rate_hz)


@pytest.mark.parametrize("packet", [1, 4, 12])
@pytest.mark.parametrize("jitter_s", [0.004, 0.02])
@pytest.mark.parametrize("seed", [0, 1])
def test_packets_that_jitter_as_a_whole_are_laid_out_and_none_is_missing(
    packet: int, jitter_s: float, seed: int
) -> None:
    sent = shaken(packet, jitter_s, seed)

    seen = see(sent, announced_hz=256.0)

    report = seen.continuity.report()
    assert (report["missing"], report["resets"]) == (0, 0)
    assert report["rate_hz"] == pytest.approx(256.0, rel=1e-3)
    # Losses hide among single samples that are late each by its own chance: that takes longer.
    assert seen.trusted[seen.times > (1005.0 if packet == 1 else 0.0)].all()
    late = seen.lateness(sent)
    assert np.std(late[len(late) // 4 :]) < 0.001
    # Only what came before the jitter was known may have looked like a gap.
    assert seen.real[seen.times > 1001.0].all()


@pytest.mark.parametrize("jitter_s", [0.005, 0.02])
def test_what_such_a_device_loses_is_found(jitter_s: float) -> None:
    sent = shaken(12, jitter_s, seed=3)
    kept = (sent.numbers < 2400) | (sent.numbers >= 2424)

    seen = see(Sent(sent.numbers[kept], sent.stamps[kept], 256.0), announced_hz=256.0)

    report = seen.continuity.report()
    assert abs(report["missing"] - 24) <= report["uncertain"]
    (places,) = np.nonzero(np.isnan(seen.numbers) & (seen.times > 1001.0))
    assert seen.numbers[places[0] - 1] < 2424 + 2 * 12


@pytest.mark.parametrize("wander_s", [0.001, 0.002])
@pytest.mark.parametrize("n_lost", [1, 2, 3, 4])
def test_what_is_lost_of_single_samples_whose_stamps_wander_slowly_is_found(
    wander_s: float, n_lost: int
) -> None:
    numbers = np.arange(30 * 256)
    wander = 0.5 * wander_s * (1.0 + np.sin(2 * np.pi * numbers / 256 / 4.0))
    stamps = (1000.0 + numbers / 256.0 + wander)[(numbers < 4000) | (numbers >= 4000 + n_lost)]
    timeline = Timeline(1.0 / 256.0)
    timeline.begin(float(stamps[0]))

    losses = {}
    for place, stamp in enumerate(stamps[1:].tolist(), 1):
        if (loss := timeline.find_loss(stamp)) is not None:
            losses[place] = loss
        timeline.place()

    ((place, loss),) = losses.items()
    assert 4000 <= place < 4010
    assert (loss.n_samples, loss.is_certain) == (n_lost, True)


@pytest.mark.parametrize(
    ("packet", "late_s", "lost"),
    [(1, 0.01, 0.05), (1, 0.03, 0.02), (3, 0.015, 0.2), (6, 0.03, 0.2)],
)
@pytest.mark.parametrize("off", [-0.05, 0.05])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wrong_rate_is_not_trusted_though_lateness_hides_what_is_lost(
    packet: int, late_s: float, lost: float, off: float, seed: int
) -> None:
    sent = device(ANNOUNCED_HZ * (1 + off), packet, late_s, 25.0, lost=lost, seed=seed)
    seen = see(sent, 25, options=ContinuitySettings(bridge_s=5.0))
    assert not seen.trusted[seen.times > 1003.0].any()


@pytest.mark.parametrize("late_s", [0.002, 0.01, 0.06])
def test_single_samples_that_are_late_by_chance_are_trusted_after_some_seconds(
    late_s: float,
) -> None:
    seen = see(device(ANNOUNCED_HZ * 1.003, 1, late_s, seed=1))
    assert seen.trusted[seen.times > 1005.0].all()
