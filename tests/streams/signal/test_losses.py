"""Lost packets are told from late ones where a packet lasts about as long as arrival jitters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.signal.test_timeline import Sent, see
from volition.chunk import FloatArray
from volition.streams.signal.continuity import ContinuitySettings
from volition.streams.signal.losses import Lateness, explain, rates_to_try, shift_of

JITTER_S = 0.06


def lossy(rate_hz: float, packet: int, lost: float, seconds: float, seed: int) -> Sent:
    """Send packets in order, each late by chance and stamped when it arrives; lose some."""
    rng = np.random.default_rng(seed)
    n_packets = int(rate_hz * seconds) // packet
    arrival = 1000.0 + ((np.arange(n_packets) + 1) * packet - 1) / rate_hz
    arrival += rng.uniform(0.0, JITTER_S, n_packets)
    came = rng.random(n_packets) >= lost
    came[0] = came[-1] = True
    arrival = np.maximum.accumulate(np.where(came, arrival, -np.inf))
    kept = np.repeat(came, packet)
    numbers = np.arange(n_packets * packet)
    return Sent(numbers[kept], np.repeat(arrival, packet)[kept], rate_hz)


def n_lost(sent: Sent) -> int:
    return int(sent.numbers[-1]) + 1 - len(sent.numbers)


LONG_BRIDGE = ContinuitySettings(bridge_s=5.0)


@pytest.mark.parametrize("lost", [0.05, 0.1])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_packets_of_twelve_that_are_lost_and_late_are_counted_and_their_rate_trusted(
    lost: float, seed: int
) -> None:
    sent = lossy(256.0, 12, lost, 40.0, seed)

    seen = see(sent, announced_hz=256.0, options=LONG_BRIDGE)

    report = seen.continuity.report()
    assert abs(report["missing"] - n_lost(sent)) <= 24
    assert report["rate_hz"] == pytest.approx(256.0, rel=0.003)
    assert report["resets"] == 0
    assert np.mean(seen.trusted[seen.times > 1012.0]) > 0.8
    assert np.array_equal(seen.numbers[seen.real], sent.numbers)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.floats(0.9, 0.97) | st.floats(1.03, 1.1), st.floats(0.0, 0.1), st.integers(12, 40), st.data()
)
def test_a_wrong_rate_is_not_trusted_though_losses_could_explain_it(
    factor: float, lost: float, packet: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 999))
    sent = lossy(factor * 250.0, packet, lost, 25.0, seed)

    seen = see(sent, options=LONG_BRIDGE)

    assert not seen.trusted[seen.times > 1004.0].any()


@pytest.mark.parametrize("packet", [1, 2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_no_stamp_can_tell_is_said_to_be_uncertain(packet: int, seed: int) -> None:
    # A quarter of the jitter, or less, is lost at once: as many samples come as were announced.
    sent = lossy(1.06 * 250.0, packet, 0.06, 40.0, seed)

    seen = see(sent, options=LONG_BRIDGE)

    rate = seen.continuity.rate
    assert rate is not None
    assert rate.uncertainty_hz > 0.02 * 250.0
    assert np.mean(seen.trusted[seen.times > 1008.0]) < 0.3


def packets(
    interval_s: float, size: int, lost_at: dict[int, int], n: int = 120
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give numbers and stamps of packets, and what is lost before each."""
    rng = np.random.default_rng(0)
    lost = np.zeros(n)
    for place, n_packets in lost_at.items():
        lost[place] = n_packets * size
    numbers = size * np.arange(1.0, n + 1)
    late = rng.uniform(0, 0.9 * size * interval_s, n)
    return numbers, interval_s * (numbers + np.cumsum(lost)) + late, lost


def test_losses_are_found_where_they_are_at_a_rate_that_is_not_known() -> None:
    numbers, stamps, lost = packets(1 / 230.0, 10, {20: 1, 41: 2, 77: 1, 100: 1})

    best = explain(numbers, stamps, 10, rates_to_try(numbers, stamps, 10))[0]

    assert 1.0 / best.interval_s == pytest.approx(230.0, rel=0.003)
    assert best.lost.sum() == lost.sum()
    assert np.abs(np.cumsum(best.lost) - np.cumsum(lost)).mean() < 1.0


def test_a_rate_without_losses_is_the_best_explanation_of_itself() -> None:
    numbers, stamps, _ = packets(1 / 230.0, 10, {})

    best = explain(numbers, stamps, 10, rates_to_try(numbers, stamps, 10))[0]

    assert best.lost.sum() == 0


USUAL = Lateness(0.0, 0.9, 0.05, 200, 0.05)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ([0.3, 0.5, 0.1, 1.3, 1.6], (0, 0, 0, 1, 1)),
        ([0.3, 0.5, 0.1, 2.3, 2.2], (0, 0, 0, 2, 2)),
        ([-0.4, -0.8, -0.3, -0.6, -0.2], (-1, -1, -1, -1, -1)),
    ],
)
def test_what_moves_packets_for_good_is_a_loss_or_one_that_was_none(
    late: list[float], expected: tuple[int, ...]
) -> None:
    shift = shift_of(np.array(late), USUAL, 3)

    assert shift is not None
    assert shift.n_units == expected


@pytest.mark.parametrize("late", [[0.3, 0.8, 0.1, 0.89, 0.7], [0.3, 5.0, 0.2, 0.4, 0.1]])
def test_what_may_be_chance_or_has_passed_is_no_loss(late: list[float]) -> None:
    assert shift_of(np.array(late), USUAL, 3) is None
