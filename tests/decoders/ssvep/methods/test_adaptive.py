"""FBCCA that learns its user's filter: what it learns, from when on, and what it gains by it."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.methods.adaptive import (
    ADAPTIVE,
    TRUSTED_WINDOWS,
    AdaptiveDecoder,
    AdaptiveSettings,
)
from volition.decoders.ssvep.methods.fbcca import FBCCA, FbccaSettings
from volition.decoders.ssvep.scores.own_filter import OwnFilter, Projection
from volition.decoders.ssvep.scores.scorer import WindowScorer

RATE_HZ = 256.0
N_CHANNELS = 8
SPEC = SignalSpec(RATE_HZ, tuple("abcdefgh"))
FREQS_HZ = np.array([9.0, 11.0, 14.0])
TARGETS = [{"label": f"{freq_hz:g} Hz", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
SHARED: dict[str, Any] = {"targets": TARGETS, "window_s": 1.0, "n_harmonics": 2, "n_subbands": 3}


def settings(**changes: Any) -> AdaptiveSettings:
    return AdaptiveSettings.model_validate({**SHARED, **changes})


def person(asked: list[int], seed: int, amplitude: float = 0.5) -> FloatArray:
    """Give epochs of 1.5 s of mixed noise in which each target's flicker has one place."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(N_CHANNELS) + 0.5 * rng.standard_normal((N_CHANNELS, N_CHANNELS))
    place = rng.standard_normal(N_CHANNELS)
    times = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ
    epochs = mixing @ rng.standard_normal((len(asked), N_CHANNELS, len(times)))
    for number, target in enumerate(asked):
        wave = np.sin(2 * np.pi * FREQS_HZ[target] * times + rng.uniform(0, 2 * np.pi))
        epochs[number] += amplitude * np.outer(place, wave)
    return np.asarray(epochs)


def scores_of(intents: list[Intent]) -> FloatArray:
    assert all(isinstance(one, SelectionIntent | IdleIntent) for one in intents)
    return np.array([list(one.evidence.values()) for one in intents])  # type: ignore[union-attr]


def run(made: AdaptiveDecoder, samples: FloatArray, events: list[Event], length: int) -> FloatArray:
    times = np.arange(len(samples)) / RATE_HZ
    intents: list[Intent] = []
    for start in range(0, len(samples), length):
        stop = min(start + length, len(samples))
        due = [one for one in events if start <= round(one.time * RATE_HZ) < stop]
        intents += made.decode(Chunk(samples[start:stop].copy(), times[start:stop]), due)
    return scores_of(intents)


def test_without_a_share_it_is_fbcca_and_so_it_is_before_anything_was_learned() -> None:
    epochs = person([0, 1, 2, 1], seed=1)
    fbcca = FBCCA(FbccaSettings.model_validate(SHARED), RATE_HZ).decision_function(epochs)
    never = ADAPTIVE(settings(own_share=0, recentre=False), RATE_HZ).decision_function(epochs)
    np.testing.assert_allclose(never, fbcca, rtol=1e-9)
    learning = ADAPTIVE(settings(), RATE_HZ).decision_function(epochs)
    np.testing.assert_allclose(learning[0], fbcca[0], rtol=1e-9)
    assert np.abs(learning[1:] - fbcca[1:]).min() > 1e-6


def test_it_reads_a_person_better_than_fbcca_whose_response_keeps_its_place() -> None:
    asked = np.random.default_rng(0).integers(0, 3, 120).tolist()
    ours, fbcca = [], []
    for seed in range(4):
        epochs = person(asked, seed, amplitude=0.12)
        ours.append(ADAPTIVE(settings(), RATE_HZ).score(epochs[40:], asked[40:]))
        plain = FBCCA(FbccaSettings.model_validate(SHARED), RATE_HZ)
        fbcca.append(plain.score(epochs[40:], asked[40:]))
    assert 0.4 < np.mean(fbcca) < 0.9
    assert np.mean(ours) > np.mean(fbcca) + 0.05


def test_the_filter_is_the_one_that_explains_most_of_the_windows_by_their_leads() -> None:
    rng = np.random.default_rng(2)
    windows = rng.standard_normal((5, 1, N_CHANNELS, 256))
    scores = rng.uniform(size=(5, 3))
    projection, own = Projection(FREQS_HZ, 2, RATE_HZ, 256), OwnFilter(1, N_CHANNELS, 10, 0.03)
    times = np.arange(256) / RATE_HZ
    explained, total = np.zeros((2, N_CHANNELS, N_CHANNELS))
    for number, (window, one) in enumerate(zip(windows, scores, strict=True)):
        own.learn(number + 1, projection.of(window), one)
        centred = window[0] - window[0].mean(axis=1, keepdims=True)
        centred /= np.linalg.norm(centred)
        angles = 2 * np.pi * FREQS_HZ[one.argmax()] * np.outer([1, 2], times)
        sines = np.concatenate([np.sin(angles), np.cos(angles)])
        sines -= sines.mean(axis=1, keepdims=True)
        onto = centred @ np.linalg.pinv(sines) @ sines
        lead = np.sort(one)[-1] - np.sort(one)[-2]
        explained += lead * onto @ onto.T
        total += lead * centred @ centred.T
    total += 0.03 * np.trace(total) / N_CHANNELS * np.eye(N_CHANNELS)
    _, vectors = scipy.linalg.eig(np.linalg.solve(total, explained))
    ranked = np.argsort(np.linalg.eigvals(np.linalg.solve(total, explained)).real)
    wanted = vectors[:, ranked[-1]].real
    found = own.before(5)
    assert found is not None
    assert found[0] == 5
    cosine = abs(found[1][0] @ wanted) / np.linalg.norm(found[1][0]) / np.linalg.norm(wanted)
    assert cosine == pytest.approx(1, abs=1e-6)


@hypothesis.given(st.permutations(range(12)))
@hypothesis.settings(max_examples=15, deadline=None)
def test_the_order_in_which_targets_had_their_turn_says_nothing_of_the_next(
    order: list[int],
) -> None:
    epochs = person([0, 1, 2] * 4 + [1], seed=3)
    plain = settings(recentre=False)
    in_turn = ADAPTIVE(plain, RATE_HZ).decision_function(epochs)[-1]
    otherwise = ADAPTIVE(plain, RATE_HZ).decision_function(epochs[[*order, 12]])[-1]
    np.testing.assert_allclose(otherwise, in_turn, rtol=1e-6)


def test_live_scores_are_those_of_the_windows_one_after_the_other() -> None:
    made = AdaptiveDecoder(settings(trigger="sliding", step_s=1.0, idle_ratio=0))
    made.prepare(SPEC)
    samples = np.concatenate(person([0, 1, 2, 0, 1, 2], seed=4), axis=1).T
    live = run(made, samples, [], 31)
    score = ADAPTIVE(settings(), RATE_HZ).window_scorer(N_CHANNELS)
    whole = filtered_windows(settings(window_s=9.0), samples.T[None], RATE_HZ)[0]
    wanted = [
        score(np.ascontiguousarray(whole[..., at : at + 256])) for at in range(0, 9 * 256, 256)
    ]
    assert live.shape == (9, 3)
    np.testing.assert_allclose(live, wanted, rtol=1e-6, atol=1e-9)


def test_a_window_that_teaches_and_is_judged_is_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[int] = []
    scores_of_window = WindowScorer.scores_of

    def counted(scorer: WindowScorer, filtered: FloatArray) -> FloatArray:
        measured.append(1)
        return scores_of_window(scorer, filtered)

    monkeypatch.setattr(WindowScorer, "scores_of", counted)
    ADAPTIVE(settings(), RATE_HZ).decision_function(person([0, 1, 2, 1, 0], seed=4))
    assert len(measured) == 5


@hypothesis.given(st.integers(1, 400))
@hypothesis.settings(max_examples=10, deadline=None)
def test_trials_learn_from_windows_that_had_ended_before_however_the_signal_is_cut(
    length: int,
) -> None:
    samples = np.concatenate(person([0, 1, 2, 0, 1, 2], seed=5), axis=1).T
    events = [Event(at, "go") for at in (2.0, 4.25, 6.5)]

    def decided(given: FloatArray, cut: int) -> FloatArray:
        made = AdaptiveDecoder(settings(idle_ratio=0, delay_s=0.0))
        made.prepare(SPEC)
        return run(made, given, events, cut)

    wanted = decided(samples, 64)
    np.testing.assert_array_equal(decided(samples, length), wanted)
    other = samples.copy()
    other[round(7.5 * RATE_HZ) :] = 1e3  # after the last window
    np.testing.assert_array_equal(decided(other, length), wanted)


def test_what_was_learned_is_counted_and_forgotten_with_the_signal() -> None:
    made = AdaptiveDecoder(settings())
    made.prepare(SPEC)
    samples = np.concatenate(person([0, 1, 2, 0], seed=6), axis=1).T
    samples[900:910] = np.nan
    run(made, samples, [], 50)
    # A window of 1 s each 0.5 s of 6 s; two (four ends of 0.5 s lie within) miss samples.
    assert made.state()["own_windows"] == 9
    made.reset()
    assert made.state()["own_windows"] == 0


def test_a_filter_counts_more_with_each_window_and_less_in_longer_ones() -> None:
    one = settings(own_share=0.8)
    assert one.share(0) == 0
    assert one.share(round(TRUSTED_WINDOWS)) == pytest.approx(0.4)
    assert settings(own_share=0.8, window_s=2.0).share(10**9) == pytest.approx(0.4)
    assert settings(own_share=0.8, window_s=0.5).share(10**9) == pytest.approx(0.8)


def test_a_flat_channel_and_a_flat_signal_give_finite_scores_or_none() -> None:
    epochs = person([0, 1, 2], seed=7)
    epochs[:, 3] = 0.0
    assert np.isfinite(ADAPTIVE(settings(), RATE_HZ).decision_function(epochs)).all()
    flat = ADAPTIVE(settings(), RATE_HZ).decision_function(np.zeros((3, N_CHANNELS, 384)))
    assert (flat.max(axis=1) < 1e-6).all()
