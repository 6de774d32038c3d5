"""The front end that other people trained: live against batch, what it learns, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.scores.contrast import FIRST_TWO, N_KINDS, Contrast
from volition.decoders.ssvep.transfer.pretrained import (
    Baseline,
    PretrainedDecoder,
    PretrainedSettings,
    log_odds,
)
from volition.decoders.ssvep.transfer.pretraining import (
    PretrainedSSVEP,
    TrainingWindows,
    collect,
    learn,
)
from volition.errors import ConfigError, DecodeError, ModelError

RATE_HZ = 256.0
N_CHANNELS = 8
SPEC = SignalSpec(RATE_HZ, ("Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"))
FREQS_HZ = (9.0, 11.0, 14.0)


def settings(**changes: Any) -> PretrainedSettings:
    targets = [{"label": f"{freq_hz:g} Hz", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
    return PretrainedSettings.model_validate({"targets": targets, "window_s": 1.0, **changes})


def signal(freq_hz: float | None, n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Give noise of eight channels and, in some, a flicker, (n_channels, n_samples)."""
    mixing = np.eye(N_CHANNELS) + 0.3 * rng.standard_normal((N_CHANNELS, N_CHANNELS))
    microvolts: FloatArray = 4 * mixing @ rng.standard_normal((N_CHANNELS, n_samples)) + 60
    if freq_hz is not None:
        times = np.arange(n_samples) / RATE_HZ
        start = rng.uniform(0, 2 * np.pi)
        wave = np.sin(2 * np.pi * freq_hz * times + start)
        microvolts[:3] += 2.5 * (wave + 0.5 * np.sin(4 * np.pi * freq_hz * times + 2 * start))
    return microvolts


def stream(asked: list[int], rng: np.random.Generator) -> tuple[Chunk, list[tuple[float, int]]]:
    """Give a signal of trials of 3 s, each `REST` or a target, and their onsets."""
    pieces = [signal(None if one == REST else FREQS_HZ[one], 768, rng) for one in asked]
    samples = np.concatenate(pieces, axis=1).T.copy()
    trials = [(number * 3.0, target) for number, target in enumerate(asked)]
    return Chunk(samples, np.arange(len(samples)) / RATE_HZ), trials


def learned() -> PretrainedSSVEP:
    rng = np.random.default_rng(5)
    targets = np.tile([REST, 0, 1, 2], 15)
    epochs = np.stack([signal(None if one == REST else FREQS_HZ[one], 400, rng) for one in targets])
    people = [name for name in ("a", "b", "c") for _ in range(20)]
    return PretrainedSSVEP(settings(), RATE_HZ).fit(epochs, targets, people)


def test_live_evidence_is_what_the_offline_windows_and_re_centring_give() -> None:
    chunk, trials = stream([REST, 0, 1, 2, 1, REST, 2, 0], np.random.default_rng(3))
    model = load_model("ssvep-pretrained")
    decoder = PretrainedDecoder(settings(delay_s=0.5), model)
    decoder.prepare(SPEC)
    intents = decoder.decode(chunk, [Event(onset, "go") for onset, _ in trials])
    windows = collect(settings(delay_s=0.5), SPEC, [chunk], trials, more_delays_s=[1.25])
    counted = [part[windows.counted] for part in (windows.at, windows.beside, windows.baseline)]
    arrays = {name[7:]: array for name, array in model.arrays.items() if name.startswith("1000ms/")}
    offline = log_odds(arrays, *counted)
    live = [
        list(one.evidence.values())
        for one in intents
        if isinstance(one, SelectionIntent | IdleIntent)
    ]
    np.testing.assert_allclose(live, offline, rtol=1e-12, atol=1e-12)
    assert np.abs(counted[2][-1]).max() > 0  # re-centring had something to say
    assert windows.targets[windows.counted].tolist() == [target for _, target in trials]
    assert (offline.argmax(axis=1) == windows.targets[windows.counted])[[1, 2, 3, 4, 6, 7]].all()
    assert {one.model for one in intents} == {None}  # the engine stamps it
    assert decoder.model_version == model.version


def test_an_epoch_scores_as_the_first_window_of_a_stream() -> None:
    chunk, _ = stream([1], np.random.default_rng(11))
    model = load_model("ssvep-pretrained")
    decoder = PretrainedDecoder(settings(delay_s=0.0), model)
    decoder.prepare(SPEC)
    (intent,) = decoder.decode(chunk, [Event(0.0, "go")])
    assert isinstance(intent, SelectionIntent | IdleIntent)
    estimator = PretrainedSSVEP(settings(), RATE_HZ, model)
    epoch = chunk.samples[:256].T[None]
    assert list(intent.evidence.values()) == estimator.decision_function(epoch)[0].tolist()


def test_what_is_learned_reads_new_people_and_their_rest() -> None:
    estimator = learned()
    rng = np.random.default_rng(77)
    targets = np.tile([REST, 0, 1, 2], 10)
    epochs = np.stack([signal(None if one == REST else FREQS_HZ[one], 400, rng) for one in targets])
    found = estimator.predict(epochs)
    assert (found[targets == REST] == REST).mean() >= 0.9
    assert (estimator.predict(epochs, idle=False) == targets)[targets != REST].mean() >= 0.9
    assert (found[targets != REST] != REST).mean() >= 0.7


def test_no_weight_belongs_to_a_target_so_their_order_does_not_matter() -> None:
    model = load_model("ssvep-pretrained")
    epochs = np.stack([signal(freq_hz, 300, np.random.default_rng(2)) for freq_hz in FREQS_HZ])
    turned = settings(targets=[{"label": f"{one}", "freq_hz": one} for one in reversed(FREQS_HZ)])
    ours = PretrainedSSVEP(settings(), RATE_HZ, model).decision_function(epochs)
    theirs = PretrainedSSVEP(turned, RATE_HZ, model).decision_function(epochs)
    np.testing.assert_allclose(theirs[:, ::-1], ours, rtol=1e-9)


def test_re_centring_learns_of_a_target_only_while_another_leads() -> None:
    baseline = Baseline(3, 1, 10)
    leads = np.zeros((3, 1, N_KINDS))
    leads[:, 0, FIRST_TWO] = [0.9, 0.2, 0.1]
    for end in range(100, 900, 100):
        baseline.add(end, leads)
    # Target 0 led always: nothing is known of it, so nothing is believed of the others either.
    assert not baseline.before(1000).any()
    leads[:, 0, FIRST_TWO] = [0.3, 0.2, 0.8]
    for end in range(900, 1700, 100):
        baseline.add(end, leads)
    offset = baseline.before(1700)[:, 0, FIRST_TWO]
    assert offset.argmax() == 0
    assert offset.sum() == pytest.approx(0)
    assert not baseline.before(900 - 1).any()  # what came later is not used


def test_the_correlations_beside_a_target_do_not_follow_its_flicker() -> None:
    rng = np.random.default_rng(4)
    contrast = Contrast(np.array(FREQS_HZ), 1, N_CHANNELS, RATE_HZ, 512)
    at, beside = contrast.measure(np.ascontiguousarray(signal(11.0, 512, rng)[None]))
    assert at[1, 0, 0] > 3 * beside[1, 0, 0]
    assert at[1, 0, 0] > 3 * max(at[0, 0, 0], at[2, 0, 0])
    np.testing.assert_array_equal(contrast.measure_at(signal(11.0, 512, rng)[None].copy()).shape,
                                  at.shape)  # fmt: skip


def test_the_threshold_of_idle_keeps_rest_that_was_not_learned_from() -> None:
    rng = np.random.default_rng(9)
    shape = (60, 3, 5, N_KINDS)

    def person() -> TrainingWindows:
        at = rng.uniform(0, 0.3, shape)
        targets = rng.integers(REST, 3, 60)
        for window, target in zip(at, targets, strict=True):
            if target != REST:
                window[target] += 0.15
        ones = np.ones(60, dtype=bool)
        return TrainingWindows(at, rng.uniform(0, 0.3, shape), np.zeros(shape), targets, ones)

    people = {name: person() for name in "abcd"}
    strict = learn(people, 2.0, false_per_min=0.0)["idle_log_odds"][0]
    loose = learn(people, 2.0, false_per_min=10.0)["idle_log_odds"][0]
    assert strict > loose


def test_what_cannot_be_learned_from_is_refused() -> None:
    zeros = np.zeros((4, 3, 5, N_KINDS))
    flicker = TrainingWindows(
        zeros, zeros, zeros, np.zeros(4, dtype=np.int64), np.ones(4, dtype=np.bool_)
    )
    with pytest.raises(DecodeError, match="found 1 people, 0 windows at rest, 4 of flicker"):
        learn({"a": flicker}, 2.0)
    with pytest.raises(DecodeError, match="fit it, or give it a model"):
        PretrainedSSVEP(settings(), RATE_HZ).decision_function(np.zeros((1, 8, 300)))


def test_another_number_of_channels_or_length_of_window_is_refused_by_name() -> None:
    decoder = PretrainedDecoder(settings())
    with pytest.raises(ConfigError, match="learned from 8 channels; found 2"):
        decoder.prepare(SignalSpec(RATE_HZ, ("Oz", "O1")))
    with pytest.raises(ConfigError, match=r"windows of 1\.25 s; allowed: 1, 1\.5, 2, 2\.5, 3"):
        PretrainedDecoder(settings(window_s=1.25)).prepare(SPEC)
    model = load_model("ssvep-pretrained")
    with pytest.raises(ConfigError, match="learned for 5 sub-bands; found 4"):
        PretrainedDecoder(settings(n_subbands=4)).prepare(SPEC)
    broken = {**model.arrays, "1000ms/choice": np.zeros((5, 2))}
    with pytest.raises(ModelError, match="1000ms/choice"):
        PretrainedDecoder(settings(), FittedModel(model.kind, broken, model.facts)).prepare(SPEC)
