"""Deciding before the window is full: the rules, what a session then does, and second thoughts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import gaussian_kde

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.methods.ecca import ECCA, EccaDecoder, EccaSettings
from volition.decoders.ssvep.methods.fbcca import FbccaDecoder, FbccaSettings
from volition.decoders.ssvep.templates import RIGHT, WRONG
from volition.decoders.ssvep.windows.stopping import Densities, Stopping
from volition.errors import ConfigError

RATE_HZ = 250.0
LABELS = ("O1", "Oz", "O2", "POz")
SPEC = SignalSpec(RATE_HZ, LABELS)
FREQS_HZ = (9.0, 11.0, 13.0)


def made(model: Any, **changes: Any) -> Any:
    targets = [{"label": f"{freq_hz:g}", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
    known = {"targets": targets, "window_s": 2.0, "n_subbands": 3, "n_harmonics": 2, "delay_s": 0.0}
    return model.model_validate({**known, **changes})


def look(freqs_hz: list[float], amplitude_uv: float, *, seed: int = 0) -> Chunk:
    """Give 3 s of flicker for each frequency, 0 for none, in noise."""
    rng = np.random.default_rng(seed)
    n = round(3 * RATE_HZ)
    times = np.arange(n) / RATE_HZ
    parts = [amplitude_uv * np.sin(2 * np.pi * freq_hz * times) for freq_hz in freqs_hz]
    wave = np.concatenate(parts)
    samples = 3 * rng.standard_normal((len(wave), 4)) + wave[:, None] * [1, 1, 0.8, 0.5]
    return Chunk(samples, np.arange(len(wave)) / RATE_HZ)


def decided(decoder: Any, chunk: Chunk) -> list[Intent]:
    """Run a decoder on trials of 3 s, each with its marker."""
    decoder.prepare(SPEC)
    n_trials = round(len(chunk) / (3 * RATE_HZ))
    intents: list[Intent] = decoder.decode(
        chunk, [Event(3.0 * number, "cue", {}) for number in range(n_trials)]
    )
    return intents


# --- Rules -----------------------------------------------------------------------------------


def test_looks_rise_from_the_shortest_to_the_whole_window() -> None:
    stopping = Stopping(rule="margin", threshold=1, min_s=0.5, step_s=0.4)
    assert stopping.looks(1.5) == [0.5, 0.9, 1.3, 1.5]
    assert stopping.looks(1.3) == [0.5, 0.9, 1.3]
    assert stopping.looks(0.5) == [0.5]


def test_the_margin_is_between_the_best_score_and_the_second() -> None:
    stopping = Stopping(rule="margin", threshold=0.2)
    assert stopping.holds(np.array([0.1, 0.9, 0.69]), 0.0, None)
    assert not stopping.holds(np.array([0.1, 0.9, 0.71]), 1.0, None)


def test_the_cost_rule_weighs_the_margin_by_what_no_target_would_cost() -> None:
    scores = np.array([0.2, 1.0, 0.4, 0.3])
    none = 4 * np.log(np.exp(scores).sum()) - scores.sum()
    assert Stopping(rule="cost", threshold=0.59 / none).holds(scores, 0.0, None)
    assert not Stopping(rule="cost", threshold=0.61 / none).holds(scores, 0.0, None)


def test_the_posterior_is_that_of_two_kernel_densities() -> None:
    rng = np.random.default_rng(0)
    right, wrong = rng.normal(2, 0.5, 60), rng.normal(1, 0.4, 20)
    known = Densities(right, wrong)
    for score in (0.8, 1.5, 2.2):
        p_right, p_wrong = (
            60.5 * gaussian_kde(right)(score)[0],
            20.5 * gaussian_kde(wrong)(score)[0],
        )
        assert known.right_given(score) == pytest.approx(p_right / (p_right + p_wrong), rel=1e-3)
    assert known.right_given(0.9) < 0.2
    assert known.right_given(2.5) > 0.9


def test_without_a_mistake_in_the_calibration_it_is_sure_only_of_what_it_has_seen() -> None:
    right = np.random.default_rng(0).normal(2, 0.3, 40)
    known = Densities(right, np.empty(0))
    assert known.right_given(2.0) > 0.95
    assert known.right_given(-2.0) < 0.05  # far below every score that was right
    assert Densities(np.empty(0), np.empty(0)).right_given(1.0) == pytest.approx(0.5)


# --- Decoders --------------------------------------------------------------------------------


def test_a_clear_flicker_is_selected_early_and_rest_runs_to_the_end() -> None:
    stopping = {"rule": "margin", "threshold": 0.5, "min_s": 0.6, "step_s": 0.2}
    decoder = FbccaDecoder(made(FbccaSettings, stopping=stopping))
    chunk = look([11.0, 0.0, 9.0], 3.0)
    clear, rest, again = decided(decoder, chunk)
    assert isinstance(clear, SelectionIntent)
    assert clear.label == "11"
    assert clear.t_sample < 1.0
    assert isinstance(rest, IdleIntent)
    assert rest.t_sample == pytest.approx(3.0 + 2.0, abs=0.01)
    assert isinstance(again, SelectionIntent)
    assert (again.label, again.t_trigger) == ("9", 6.0)


def test_at_the_last_look_a_selection_can_be_asked_for() -> None:
    never = {"rule": "margin", "threshold": 1e9, "min_s": 0.6, "step_s": 0.4}
    chunk = look([11.0], 3.0)
    (idle,) = decided(FbccaDecoder(made(FbccaSettings, stopping=never)), chunk)
    assert isinstance(idle, IdleIntent)
    assert idle.reason == "low_confidence"
    forced = {**never, "otherwise": "select"}
    (selected,) = decided(FbccaDecoder(made(FbccaSettings, stopping=forced)), chunk)
    assert isinstance(selected, SelectionIntent)
    assert selected.t_sample == pytest.approx(2.0, abs=0.01)


def test_the_last_look_says_what_the_decoder_without_looks_says() -> None:
    chunk = look([11.0, 9.0], 1.0)
    never = {"rule": "margin", "threshold": 1e9, "otherwise": "select", "min_s": 1.0}
    looked = decided(FbccaDecoder(made(FbccaSettings, stopping=never, idle_ratio=0)), chunk)
    plain = decided(FbccaDecoder(made(FbccaSettings, idle_ratio=0)), chunk)
    for ours, theirs in zip(looked, plain, strict=True):
        assert isinstance(ours, SelectionIntent)
        assert isinstance(theirs, SelectionIntent)
        assert (ours.label, ours.t_sample) == (theirs.label, theirs.t_sample)
        np.testing.assert_allclose(list(ours.evidence.values()), list(theirs.evidence.values()))


def test_a_destructive_target_is_selected_where_two_windows_running_say_so() -> None:
    chunk = look([11.0, 9.0, 11.0, 11.0], 3.0)
    said = decided(FbccaDecoder(made(FbccaSettings, destructive=["11"])), chunk)
    labels = [one.label if isinstance(one, SelectionIntent) else "idle" for one in said]
    assert labels == ["idle", "9", "idle", "11"]
    stopping = {"rule": "margin", "threshold": 0.5, "min_s": 0.6, "step_s": 0.2}
    early, _, again, _ = decided(
        FbccaDecoder(made(FbccaSettings, destructive=["11"], stopping=stopping)), chunk
    )
    assert isinstance(early, SelectionIntent)
    assert early.t_sample == pytest.approx(0.8, abs=0.01)  # the second look agrees with the first
    assert again.t_sample == pytest.approx(6.8, abs=0.01)


def epochs(n_blocks: int, amplitude_uv: float, seed: int) -> tuple[FloatArray, Any]:
    """Give trials of 1.5 s whose phase is locked to the onset, half a second in, and rest."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ - 0.5
    targets = np.tile([0, 1, 2, REST], n_blocks)
    found = 3 * rng.standard_normal((len(targets), 4, len(times)))
    for number, target in enumerate(targets):
        if target != REST:
            wave = np.where(times >= 0, np.sin(2 * np.pi * FREQS_HZ[target] * times + target), 0)
            found[number] += amplitude_uv * np.outer([1, 1, 0.8, 0.5], wave)
    return found, targets


BAYES = {"rule": "bayes", "threshold": 0.9, "min_s": 0.4, "step_s": 0.2}


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    settings = made(EccaSettings, window_s=1.0, stopping=BAYES)
    return ECCA(settings, RATE_HZ).fit(*epochs(8, 1.2, 0))


def test_a_fit_for_looks_holds_one_for_each_with_what_bayes_asks_for(fitted: FittedModel) -> None:
    assert list(fitted.facts["looks"]) == ["400ms/", "600ms/", "800ms/", "1000ms/"]
    for prefix, facts in fitted.facts["looks"].items():
        n_right, n_wrong = (len(fitted.arrays[prefix + name]) for name in (RIGHT, WRONG))
        assert n_right == round(24 * facts["accuracy"])
        assert n_right + n_wrong == 24 + 8  # the trials at rest are among the wrong
        assert fitted.arrays[prefix + "templates"].shape[-1] == RATE_HZ * facts["window_s"]


def test_bayes_stops_early_on_what_its_calibration_knows_and_is_idle_at_rest(
    fitted: FittedModel,
) -> None:
    settings = made(EccaSettings, window_s=1.0, stopping=BAYES)
    found, targets = epochs(10, 1.2, 7)
    times_s, right, false = [], 0, 0
    decoder = EccaDecoder(settings, fitted)
    decoder.prepare(SPEC)
    for epoch, target in zip(found, targets, strict=True):
        decoder.reset()
        times = np.arange(epoch.shape[1]) / RATE_HZ
        (intent,) = decoder.decode(Chunk(epoch.T.copy(), times), [Event(0.5, "cue", {})])
        if isinstance(intent, SelectionIntent):
            false += target == REST
            right += intent.target == target
            times_s.append(intent.t_sample - 0.5)
    assert right >= 15  # of 30
    assert false <= 3  # of 10
    assert np.mean(times_s) < 0.95


def test_what_does_not_fit_is_refused(fitted: FittedModel) -> None:
    with pytest.raises(ValidationError, match="trigger: markers"):
        made(FbccaSettings, stopping=BAYES, trigger="sliding")
    with pytest.raises(ValidationError, match="longer than the window"):
        made(FbccaSettings, stopping={**BAYES, "min_s": 3})
    with pytest.raises(ValidationError, match=r"destructive names \['12'\]"):
        made(FbccaSettings, destructive=["12"])
    with pytest.raises(ConfigError, match="'bayes' needs a model"):
        FbccaDecoder(made(FbccaSettings, stopping=BAYES)).prepare(SPEC)
    margin = {"rule": "margin", "threshold": 1, "min_s": 0.01}
    with pytest.raises(ConfigError, match="too short"):
        FbccaDecoder(made(FbccaSettings, stopping=margin)).prepare(SPEC)
    other = made(EccaSettings, window_s=1.0, stopping={**BAYES, "min_s": 0.5})
    with pytest.raises(ConfigError, match=r"not fitted for a look of 0\.5 s"):
        EccaDecoder(other, fitted).prepare(SPEC)
