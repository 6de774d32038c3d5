"""FBCCA on a stream: what it selects, when it says idle, and that it is the textbook's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pydantic import ValidationError

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent, canonical_json
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaDecoder, FbccaSettings
from volition.decoders.ssvep.scores.bank import FilterBank, sub_band_edges, sub_band_weights
from volition.errors import ConfigError, DecodeError

RATE_HZ = 256.0
LABELS = ("Oz", "O1", "O2", "PO3")
TARGETS = [
    {"label": "left", "freq_hz": 13},
    {"label": "right", "freq_hz": 17},
    {"label": "up", "freq_hz": 21.3},
]
FREQS_HZ = np.array([13, 17, 21.3])


def settings(**changes: Any) -> FbccaSettings:
    base = {"targets": TARGETS, "window_s": 1.0, "n_harmonics": 3, "n_subbands": 3, "delay_s": 0.0}
    return FbccaSettings.model_validate({**base, **changes})


def decoder(**changes: Any) -> FbccaDecoder:
    made = FbccaDecoder(settings(**changes))
    made.prepare(SignalSpec(RATE_HZ, LABELS))
    return made


def noise(duration_s: float, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    samples: FloatArray = rng.standard_normal((round(duration_s * RATE_HZ), len(LABELS)))
    return samples


def flicker(duration_s: float, freq_hz: float, amplitude: float = 1.0) -> FloatArray:
    """Give noise and a response to a flicker, with a second harmonic, in all channels."""
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    wave = np.sin(2 * np.pi * freq_hz * times) + 0.5 * np.sin(4 * np.pi * freq_hz * times + 1)
    gains = amplitude * np.array([1.0, 0.8, 0.9, 0.4])
    samples: FloatArray = noise(duration_s) + wave[:, None] * gains
    return samples


def run(
    made: FbccaDecoder, samples: FloatArray, events: Sequence[Event] = (), length: int = 32
) -> list[Intent]:
    times = np.arange(len(samples)) / RATE_HZ
    intents: list[Intent] = []
    for start in range(0, len(samples), length):
        stop = min(start + length, len(samples))
        after = -np.inf if start == 0 else times[start - 1]
        due = [event for event in events if after < event.time <= times[stop - 1]]
        intents += made.decode(Chunk(samples[start:stop].copy(), times[start:stop]), due)
    return intents


def scores_of(intent: Intent) -> list[float]:
    assert isinstance(intent, SelectionIntent | IdleIntent)
    return list(intent.evidence.values())


def textbook_scores(samples: FloatArray, used: FbccaSettings, first: int, n: int) -> FloatArray:
    """Score the window of ``n`` samples from ``first`` by QR and SVD, causal filters before it."""
    edges = used.edges(RATE_HZ)
    filtered = np.empty((len(edges), *samples.T.shape))
    FilterBank(edges, used.band_order, RATE_HZ, samples.shape[1]).run(samples.T.copy(), filtered)
    squared = np.empty((len(edges), len(FREQS_HZ)))
    at = np.arange(n)[:, None] / RATE_HZ
    for row, band in enumerate(filtered[:, :, first : first + n]):
        signal, _ = np.linalg.qr((band - band.mean(axis=1, keepdims=True)).T)
        for column, freq_hz in enumerate(FREQS_HZ):
            angles = 2 * np.pi * freq_hz * np.arange(1, used.n_harmonics + 1) * at
            waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
            basis, _ = np.linalg.qr(waves - waves.mean(axis=0))
            squared[row, column] = np.linalg.svd(signal.T @ basis, compute_uv=False)[0] ** 2
    weights = np.array([k**-1.25 + 0.25 for k in range(1, len(edges) + 1)])
    result: FloatArray = weights @ squared
    return result


# --- The number ------------------------------------------------------------------------------


# With the shorter step all but two samples of a window are factored before it ends.
@pytest.mark.parametrize("step", [33, 8])
@pytest.mark.parametrize("window_s", [0.5, 1.0, 2.0])
def test_every_sliding_decision_is_the_textbooks(window_s: float, step: int) -> None:
    samples = noise(6).cumsum(axis=0)
    made = decoder(trigger="sliding", window_s=window_s, step_s=step / RATE_HZ, idle_ratio=0)
    intents = run(made, samples)
    n = made.state()["window_samples"]
    assert n == pytest.approx(window_s * RATE_HZ, abs=17)
    assert len(intents) == (len(samples) - n) // step + 1
    for intent in intents[:: 33 // step]:
        first = round(intent.t_sample * RATE_HZ) + 1 - n
        expected = textbook_scores(samples, made.settings, first, n)
        np.testing.assert_allclose(scores_of(intent), expected, rtol=0, atol=1e-9)


def test_every_triggered_decision_is_the_textbooks() -> None:
    samples = noise(6).cumsum(axis=0)
    made = decoder(delay_s=0.1, window_s=1.1)
    events = [Event(at, "trial_start") for at in (0.0, 1.003, 1.2, 3.9)]
    intents = run(made, samples, events)
    assert [intent.t_trigger for intent in intents] == [0.0, 1.003, 1.2, 3.9]
    for intent, event in zip(intents, events, strict=True):
        first = int(np.ceil((event.time + 0.1) * RATE_HZ))
        expected = textbook_scores(samples, made.settings, first, 282)
        np.testing.assert_allclose(scores_of(intent), expected, rtol=0, atol=1e-9)
        assert intent.t_sample == (first + 281) / RATE_HZ


@pytest.mark.parametrize("step", [26, 8])
def test_an_artifact_that_left_the_window_leaves_nothing_behind(step: int) -> None:
    samples = noise(8)
    samples[300:310] = 1e9
    made = decoder(trigger="sliding", step_s=step / RATE_HZ, idle_ratio=0)
    n = made.state()["window_samples"]
    late = [intent for intent in run(made, samples) if intent.t_sample > 5]
    assert late
    for intent in late:
        first = round(intent.t_sample * RATE_HZ) + 1 - n
        expected = textbook_scores(samples, made.settings, first, n)
        np.testing.assert_allclose(scores_of(intent), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("trigger", ["markers", "sliding"])
def test_a_batch_gives_the_same_bits_as_the_stream(trigger: str) -> None:
    samples = noise(3) + 40
    made = decoder(trigger=trigger, step_s=0.25, idle_ratio=0)
    stream = run(made, samples, [Event(1.0, "trial_start")])
    last = next(one for one in stream if one.t_sample == 511 / RATE_HZ)
    epochs = samples[None, :512].transpose(0, 2, 1)
    if trigger == "markers":
        batch = FBCCA(made.settings, RATE_HZ).decision_function(epochs)
        np.testing.assert_array_equal(batch[0], scores_of(last))
    else:
        # Sliding sums the same pieces in another order: the last digit may differ.
        batch = FBCCA(made.settings, RATE_HZ).decision_function(epochs)
        np.testing.assert_allclose(batch[0], scores_of(last), rtol=0, atol=1e-12)


# --- What it says ----------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "freq_hz"), list(enumerate(FREQS_HZ)))
def test_it_selects_the_flicker_that_is_looked_at(number: int, freq_hz: float) -> None:
    (intent,) = run(decoder(), flicker(2, freq_hz), [Event(0.2, "trial_start")])
    assert isinstance(intent, SelectionIntent)
    assert (intent.target, intent.label) == (number, TARGETS[number]["label"])
    assert intent.confidence > 0.9
    assert list(intent.evidence) == ["left", "right", "up"]
    assert max(intent.evidence, key=intent.evidence.__getitem__) == intent.label
    assert intent.t_trigger == 0.2
    assert intent.expires_s == 1.0


def test_noise_is_rest() -> None:
    made = decoder(trigger="sliding", step_s=1.0)
    intents = run(made, noise(200))
    assert len(intents) == 200
    idle = [intent for intent in intents if isinstance(intent, IdleIntent)]
    assert len(idle) >= 180
    assert {intent.reason for intent in idle} == {"rest"}
    assert all(0 < intent.confidence < 1 for intent in idle)


def test_a_choice_that_it_is_not_sure_enough_of_is_low_confidence() -> None:
    made = decoder(idle_ratio=0, min_confidence=0.99)
    (intent,) = run(made, noise(2), [Event(0.2, "trial_start")])
    assert isinstance(intent, IdleIntent)
    assert intent.reason == "low_confidence"
    assert set(intent.evidence) == {"left", "right", "up"}


def test_a_window_with_a_missing_sample_is_idle_and_the_next_is_not() -> None:
    samples = flicker(6, 13)
    samples[300, 2] = np.nan
    made = decoder()
    events = [Event(at, "trial_start") for at in (0.0, 1.0, 1.18, 2.5)]
    kinds = [
        intent.reason if isinstance(intent, IdleIntent) else intent.kind
        for intent in run(made, samples, events)
    ]
    assert kinds == ["selection", "missing_samples", "selection", "selection"]


def test_a_sliding_window_is_idle_until_a_missing_sample_has_left_it() -> None:
    samples = flicker(4, 13)
    samples[400] = np.nan
    made = decoder(trigger="sliding", step_s=0.125, idle_ratio=0)
    missing = [
        intent.t_sample
        for intent in run(made, samples)
        if isinstance(intent, IdleIntent) and intent.reason == "missing_samples"
    ]
    # Steps end every 32 samples; the one with sample 400 is in the windows of the next 8.
    np.testing.assert_array_equal(missing, (np.arange(8) * 32 + 415) / RATE_HZ)


@pytest.mark.parametrize("value", [1e99, 1e150, np.inf])
def test_a_sample_beyond_all_measure_is_outlived(value: float) -> None:
    samples = flicker(4, 13)
    samples[200, 1] = value
    made = decoder()
    bad, good = run(made, samples, [Event(0.2, "x"), Event(2.0, "x")])
    assert isinstance(bad, IdleIntent | SelectionIntent)
    assert isinstance(good, SelectionIntent)
    assert good.label == "left"


def test_only_the_markers_named_start_a_window() -> None:
    made = decoder(onset_markers=["go"])
    events = [Event(0.1, "rest"), Event(0.2, "go"), Event(0.4, "trial_start")]
    assert [intent.t_trigger for intent in run(made, noise(2), events)] == [0.2]


def test_overlapping_windows_are_each_answered_in_order_of_their_end() -> None:
    made = decoder()
    onsets = [round(0.05 * number, 2) for number in range(1, 31)]
    intents = run(made, noise(4), [Event(onset, "x") for onset in onsets], length=500)
    assert [intent.t_trigger for intent in intents] == onsets
    for intent in intents:
        (alone,) = run(decoder(), noise(4), [Event(intent.t_trigger or 0, "x")], length=500)
        assert canonical_json(alone) == canonical_json(intent)


# --- Markers that come early, late or never --------------------------------------------------


@hypothesis.settings(max_examples=20)
@hypothesis.given(onset=st.floats(0.0, 2.0), lag=st.integers(0, 700))
def test_a_marker_that_comes_after_its_samples_is_answered_the_same(onset: float, lag: int) -> None:
    samples, event = noise(8), Event(onset, "trial_start")
    (prompt,) = run(decoder(), samples, [event])
    made = decoder()
    arrives = round(onset * RATE_HZ) + lag
    times = np.arange(len(samples)) / RATE_HZ
    first = made.decode(Chunk(samples[:arrives].copy(), times[:arrives]), [])
    rest = made.decode(Chunk(samples[arrives:].copy(), times[arrives:]), [event])
    assert first == []
    assert [canonical_json(one) for one in rest] == [canonical_json(prompt)]


def test_a_marker_may_come_with_an_empty_chunk() -> None:
    made, samples = decoder(), noise(3)
    run(made, samples)
    empty = Chunk(np.empty((0, len(LABELS))), np.empty(0))
    (intent,) = made.decode(empty, [Event(1.0, "trial_start")])
    assert intent.t_sample == (256 + 255) / RATE_HZ


@pytest.mark.parametrize(("onset", "why"), [(0.5, "its samples are gone"), (-3.0, "never seen")])
def test_a_marker_whose_samples_are_not_there_is_answered_with_idle(onset: float, why: str) -> None:
    made = decoder()
    run(made, noise(9))
    times = 9 + np.arange(8) / RATE_HZ
    (intent,) = made.decode(Chunk(np.zeros((8, 4)), times), [Event(onset, "trial_start")])
    assert isinstance(intent, IdleIntent), why
    assert intent.reason == "missing_samples"
    assert intent.t_trigger == onset


def test_a_marker_of_the_future_waits() -> None:
    made, samples = decoder(), noise(4)
    times = np.arange(len(samples)) / RATE_HZ
    assert made.decode(Chunk(samples[:10].copy(), times[:10]), [Event(2.0, "trial_start")]) == []
    assert made.state()["open_windows"] == 1
    (intent,) = made.decode(Chunk(samples[10:].copy(), times[10:]), [])
    assert intent.t_sample == (512 + 255) / RATE_HZ
    assert made.state()["open_windows"] == 0


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": [*TARGETS, {"label": "far", "freq_hz": 130}]}, "130 Hz.*below half the rate"),
        ({"n_harmonics": 7}, "harmonic 7 of 21.3 Hz is 149.1 Hz.*at most 6"),
        ({"n_subbands": 12}, r"sub-band 11 of 12 would start at 88 Hz.*at most 10 sub-bands"),
        ({"window_s": 0.05}, r"window of 13 samples \(0.05 s\) is too short.*at least 20 "),
    ],
)
def test_settings_that_the_signal_cannot_meet_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        decoder(**changes)


def test_sums_that_would_fill_the_memory_are_refused() -> None:
    made = FbccaDecoder(settings(trigger="sliding", step_s=1e-3, window_s=60))
    with pytest.raises(ConfigError, match="longer steps"):
        made.prepare(SignalSpec(1000.0, tuple(f"E{number}" for number in range(64))))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([TARGETS[0], {"label": "left", "freq_hz": 9}], "label of its own; found twice: ..left"),
        ([TARGETS[0], {"label": "x", "freq_hz": 13}], "freq_hz of its own; found twice: .13"),
        ([TARGETS[0]], "at least 2"),
    ],
)
def test_targets_that_cannot_be_told_apart_are_refused(
    targets: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(targets=targets)


# --- The batch -------------------------------------------------------------------------------


def trials(seed: int = 0) -> tuple[FloatArray, list[int]]:
    """Give 8 trials of each target and 16 at rest, weak enough for mistakes."""
    rng = np.random.default_rng(seed)
    wanted = [0, 1, 2] * 8 + [REST] * 16
    times = np.arange(384) / RATE_HZ
    epochs = rng.standard_normal((len(wanted), 4, 384))
    for number, target in enumerate(wanted[:24]):
        phase = rng.uniform(0, 2 * np.pi)
        epochs[number] += 0.45 * np.sin(2 * np.pi * FREQS_HZ[target] * times + phase)
    return epochs, wanted


def test_a_batch_scores_predicts_and_says_how_likely() -> None:
    epochs, wanted = trials()
    estimator = FBCCA(settings(), RATE_HZ)
    looked = [number for number, target in enumerate(wanted) if target != REST]
    likely = estimator.predict_proba(epochs)
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    best = estimator.predict(epochs, idle=False)
    np.testing.assert_array_equal(best, likely.argmax(axis=1))
    assert estimator.score(epochs[looked], [wanted[n] for n in looked]) > 0.7
    predicted = estimator.predict(epochs)
    assert set(predicted[24:]) == {REST}


@pytest.mark.parametrize(("false_share", "n_false"), [(0.0, 0), (0.125, 2), (0.2, 3)])
def test_a_calibration_sets_when_to_be_idle_by_the_rest_that_it_saw(
    false_share: float, n_false: int
) -> None:
    epochs, wanted = trials()
    estimator = FBCCA(settings(), RATE_HZ).fit(epochs, wanted, false_share=false_share)
    assert (estimator.predict(epochs[24:]) != REST).sum() == n_false
    assert (estimator.predict(epochs[:24]) != REST).mean() > 0.7


def test_a_calibration_makes_confidence_mean_what_it_says() -> None:
    train, wanted = trials(1)
    test, asked = trials(2)
    blunt = FBCCA(settings(sharpness=0.1), RATE_HZ)
    fitted = FBCCA(settings(sharpness=0.1), RATE_HZ).fit(train[:24], wanted[:24])
    assert fitted.settings.idle_ratio == settings().idle_ratio

    def loss(estimator: FBCCA) -> float:
        chances = estimator.predict_proba(test[:24])
        return -float(np.log(chances[np.arange(24), asked[:24]]).mean())

    assert loss(fitted) < loss(blunt) - 0.2
    confident = fitted.predict_proba(test[:24]).max(axis=1).mean()
    assert confident == pytest.approx(fitted.score(test[:24], asked[:24]), abs=0.15)


def test_an_epoch_with_a_missing_sample_is_rest() -> None:
    epochs, _ = trials()
    epochs[3, 1, 200] = np.nan
    estimator = FBCCA(settings(idle_ratio=0.0), RATE_HZ)
    assert np.isnan(estimator.decision_function(epochs[:5])[3]).all()
    np.testing.assert_array_equal(np.flatnonzero(estimator.predict(epochs[:5]) == REST), [3])


def test_epochs_that_do_not_fit_are_refused() -> None:
    epochs, wanted = trials()
    estimator = FBCCA(settings(), RATE_HZ)
    with pytest.raises(DecodeError, match="100 samples are shorter than the window of 256"):
        estimator.predict(epochs[:, :, :100])
    with pytest.raises(DecodeError, match="as many targets, each 0 to 2"):
        estimator.score(epochs, wanted[:-1])
    with pytest.raises(DecodeError, match="as many targets, each 0 to 2"):
        estimator.fit(epochs[:1], [3])


# --- The bank --------------------------------------------------------------------------------


def test_sub_bands_start_ever_higher_and_end_below_half_the_rate() -> None:
    assert sub_band_edges(3, 8, 8, 88, 1000.0) == [(8, 88), (16, 88), (24, 88)]
    assert sub_band_edges(2, 6, 10, 88, 128.0) == [(6, 57.6), (16, 57.6)]


def test_the_weights_are_those_of_the_paper() -> None:
    np.testing.assert_allclose(sub_band_weights(3), [1.25, 2**-1.25 + 0.25, 3**-1.25 + 0.25])
