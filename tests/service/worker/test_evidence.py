from __future__ import annotations

import numpy as np
import pytest

from tests.streams.signal import test_plausibility as signals
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.service.wire.state import PlausibilityView
from volition.service.worker.evidence import BLOCKED_S, BlockWatch, implausible, warnings_of
from volition.streams.signal.continuity import Continuity


def watched(rate_hz: float, announced_hz: float = 250.0) -> Continuity:
    continuity = Continuity(SignalSpec(announced_hz, ("a",)))
    times = 100.0 + np.arange(int(10 * rate_hz)) / rate_hz
    continuity.mend(Chunk(np.ones((len(times), 1)), times))
    return continuity


@pytest.mark.parametrize(
    ("rate_hz", "key"),
    [(250.0, None), (250.5, None), (252.5, "rate-off"), (243.0, "rate-wrong"), (200, "rate-wrong")],
)
def test_a_rate_is_told_of_from_half_a_percent_and_wrong_from_two(
    rate_hz: float, key: str | None
) -> None:
    warnings = warnings_of(watched(rate_hz), 250.0)
    assert [*warnings] == ([] if key is None else [key])


def test_what_a_wrong_rate_asks_for_is_said() -> None:
    (warning,) = warnings_of(watched(200.0), 250.0).values()
    assert "250 Hz are announced, 200.00" in warning
    assert "stream.rate_hz" in warning


def selection(t: float) -> Intent:
    return SelectionIntent(target=0, label="a", confidence=1.0, evidence={}, t_sample=t)


def idle(t: float) -> Intent:
    return IdleIntent(reason="missing_samples", t_sample=t)


def test_a_session_that_decides_nothing_for_long_says_why() -> None:
    watch = BlockWatch()
    for t in np.arange(0.0, BLOCKED_S + 0.5, 0.5):
        watch.note([idle(t)], trusted=True, now=float(t))
    assert "samples are missing" in watch.reason(BLOCKED_S)


def test_one_decision_ends_it_and_a_few_lost_windows_do_not_begin_it() -> None:
    watch = BlockWatch()
    for t in (0.0, 3.0):
        watch.note([idle(t)], trusted=True, now=t)
    assert not watch.reason(2 * BLOCKED_S)
    for t in (6.0, 7.0, 8.0):
        watch.note([idle(t)], trusted=True, now=t)
    assert watch.reason(9.0)
    watch.note([selection(9.0)], trusted=True, now=9.0)
    assert not watch.reason(20.0)


def test_any_intent_at_a_wrong_rate_is_none() -> None:
    watch = BlockWatch()
    for t in (0.0, 3.0, 6.0):
        watch.note([selection(t)], trusted=False, now=t)
    assert "rate" in watch.reason(6.0)


def exchanged(labels: tuple[str, ...], first: str, second: str) -> tuple[str, ...]:
    swap = {first: second, second: first}
    return tuple(swap.get(label, label) for label in labels)


SAMPLES = signals.recording("ssvep-exo-s12").samples
LABELS = signals.recording("ssvep-exo-s12").spec.labels
HUM = 9 * np.sin(2 * np.pi * 60.0 * np.arange(len(SAMPLES)) / 256.0)[:, None]


@pytest.mark.parametrize(
    ("code", "samples", "announced"),
    [
        ("amplitude", 250 * SAMPLES, {}),
        ("amplitude", SAMPLES / 40, {}),
        ("channels", SAMPLES, {"labels": exchanged(LABELS, "O1", "PO8")}),
        ("reference", SAMPLES - SAMPLES.mean(axis=1, keepdims=True), {}),
        ("rate", SAMPLES + HUM, {"rate_hz": 200.0}),
        ("spectrum", np.diff(SAMPLES, n=3, axis=0), {}),
    ],
    ids=["too large", "too small", "exchanged", "re-referenced", "another rate", "differences"],
)
def test_a_wrong_signal_of_each_kind_is_told_in_the_view_of_quality_and_as_a_warning(
    code: str, samples: FloatArray, announced: dict[str, object]
) -> None:
    quality, _ = signals.watched(samples, signals.spec_of("ssvep-exo-s12", **announced), seconds=40)
    seen = PlausibilityView.model_validate(quality.plausibility())
    told = {one.code: one.text for one in seen.findings}
    assert code in told
    assert implausible(quality) == {f"implausible-{one}": text for one, text in told.items()}


def test_a_signal_that_is_what_it_says_gives_no_warning() -> None:
    quality, _ = signals.watched(SAMPLES, signals.spec_of("ssvep-exo-s12"), seconds=40)
    assert implausible(quality) == {}
