"""From marked trials to a model: sums, the meaning of scores, and what was right when left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.codes.marked import (
    UNKNOWN,
    FilteredSignal,
    MarkedTrial,
    check_dropped,
    trials_of,
)
from volition.decoders.codes.reconvolution.events import event_trains, lagged
from volition.decoders.codes.reconvolution.looks import Looks
from volition.decoders.codes.reconvolution.responses import Responses, Running, Sums, learn
from volition.decoders.codes.reconvolution.settings import ReconvolutionSettings
from volition.decoders.codes.reconvolution.shown import Shown
from volition.decoders.codes.reconvolution.templates import templates_between, whitened
from volition.decoders.codes.stopping import attention
from volition.decoders.fitting.calibration import (
    MOST_CHANCE,
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
    check_channels_live,
    check_enough_to_tell,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.metrics import accuracy_interval, itr_bits_per_min, luck

#: Number of parts in which trials are left out; one by one where there are fewer.
MOST_FOLDS = 10
LEAST_TRIALS = 3
#: Between two selections, as the transfer rate counts it, seconds.
PAUSE_S = 1.0
#: Share of the trials at rest that may be selected at the suggested threshold.
SELECTED_AT_REST = 0.05
_AT_REST = -1


class Cut(NamedTuple):
    """A trial cut out: what was shown, the signal, and the item that was asked for (-1 at rest).

    ``signal`` has the samples before the onset that the filter over time needs.
    """

    shown: Shown
    signal: FloatArray
    item: int
    n_samples: int


def calibrate(
    settings: ReconvolutionSettings, calibration: CalibrationData, progress: Progress
) -> Calibrated:
    """Calibrate the decoder; see `FittedDecoder.calibrate`."""
    check_channels_live(calibration.spec, calibration.samples)
    signal = FilteredSignal.of(calibration, settings)
    settings.check(signal.rate_hz, calibration.spec.n_channels)
    trials = _cut(settings, signal, trials_of(calibration, settings))
    attended = [trial for trial in trials if trial.item != _AT_REST]
    at_rest = [trial for trial in trials if trial.item == _AT_REST]
    if len(attended) < LEAST_TRIALS:
        raise CalibrationError(
            "too-few-trials",
            f"reconvolution needs at least {LEAST_TRIALS} trials of items, of any of them; found "
            f"{len(attended)}",
            found=len(attended),
            allowed_from=LEAST_TRIALS,
        )
    progress(0.1, "summing over the trials")
    sums = [sums_of(settings, trial, signal.rate_hz) for trial in attended]
    total = summed(sums)
    scores = _left_out(settings, attended, sums, total, rate_hz=signal.rate_hz, progress=progress)
    seconds = _seconds(settings, scores.shape[1], signal.rate_hz)
    items = np.array([trial.item for trial in attended])
    looks = _looks(scores, items, seconds)
    by_time = _accuracies(scores, items)
    right, n = _last(scores, items)
    _check_above_chance(right, n, len(settings.items), float(seconds[-1]))
    suggested: dict[str, Any] = settings.model_dump(mode="json")
    rest_log_odds = None
    if at_rest:
        learned = learn(total, len(settings.events), settings.n_components)
        rest_log_odds = _most_at_rest(settings, at_rest, learned, looks, signal.rate_hz)
        suggested["idle_log_odds"] = rest_log_odds
    progress(0.95, "writing the model")
    model = FittedModel(
        settings.kind,
        {**total._asdict(), "looks": looks.table},
        {
            **facts_of(settings, signal.rate_hz, calibration.spec.n_channels),
            "seconds": sum(trial.n_samples for trial in attended) / signal.rate_hz,
        },
    )
    told = {
        "accuracy": right / n,
        "interval": list(accuracy_interval(right, n)),
        "chance": 1 / len(settings.items),
        "n_trials": n,
        "n_rest": len(at_rest),
        "suggested_idle_log_odds": rest_log_odds,
        "itr_bits_per_min": itr_bits_per_min(
            len(settings.items), right / n, float(seconds[-1]), gaze_shift_s=PAUSE_S
        ),
        "pause_s": PAUSE_S,
        "by_time": [
            {"seconds": float(t), "accuracy": None if np.isnan(share) else float(share)}
            for t, share in zip(seconds, by_time, strict=True)
        ],
    }
    return Calibrated(model, suggested, told, n)


def facts_of(settings: ReconvolutionSettings, rate_hz: float, n_channels: int) -> dict[str, Any]:
    """Give what a model was fitted for, as its manifest states it."""
    return {
        "rate_hz": rate_hz,
        "n_channels": n_channels,
        "events": list(settings.events),
        "response_s": settings.response_s,
        "whitening_s": settings.whitening_s,
        "low_hz": settings.low_hz,
        "high_hz": settings.high_hz,
    }


def summed(sums: Sequence[Sums]) -> Sums:
    """Add the sums of trials."""
    total = sums[0]
    for one in sums[1:]:
        total = total.plus(one)
    return total


def _cut(
    settings: ReconvolutionSettings, signal: FilteredSignal, trials: Sequence[MarkedTrial]
) -> list[Cut]:
    rate_hz = signal.rate_hz
    look, lead = settings.look_samples(rate_hz), settings.delays(rate_hz) - 1
    cut, lacking, shortest = [], 0, np.inf
    for trial in trials:
        if trial.target is UNKNOWN:
            continue
        first = signal.first_at(trial.onset)
        last_s = min(trial.end - trial.onset, settings.max_s)
        n_samples = look * int((last_s * rate_hz + 0.5) // look)
        shortest = min(shortest, last_s)
        if n_samples == 0:
            continue
        if first is None or (kept := signal.between(first, first + n_samples)) is None:
            lacking += 1
            continue
        # Where the signal began with the trial, nothing came before it.
        whole = signal.between(first - lead, first + n_samples)
        if whole is None:
            whole = np.pad(kept, ((0, 0), (lead, 0)))
        cut.append(
            Cut(
                _shown(settings, signal, trial, first),
                whole,
                trial.target if isinstance(trial.target, int) else _AT_REST,
                n_samples,
            )
        )
    check_dropped(lacking, len(trials), "trials")
    if not cut:
        raise CalibrationError(
            "trials-too-short",
            f"the shortest trial lasts {shortest:.2f} s, less than one look of "
            f"{settings.step_s:g} s",
            found=float(shortest),
        )
    return cut


def _shown(
    settings: ReconvolutionSettings, signal: FilteredSignal, trial: MarkedTrial, first: int
) -> Shown:
    rate_hz = signal.rate_hz
    shown = Shown(
        settings.book.steps, settings.step_samples(rate_hz), settings.flash_samples(rate_hz)
    )
    for marked in trial.flashes:
        at = int(np.searchsorted(signal.times, marked.time))
        shown.flash(at - first, marked.flash.on)
    return shown


def sums_of(settings: ReconvolutionSettings, trial: Cut, rate_hz: float) -> Sums:
    """Give the sums over a trial, by the item that was asked for."""
    on = trial.shown.between(0, trial.n_samples)[trial.item : trial.item + 1]
    trains = event_trains(
        on, np.zeros(1, dtype=bool), settings.events, settings.short_samples(rate_hz), 0
    )
    events = lagged(trains[0], settings.lags(rate_hz))
    return Sums.of(trial.signal[:, -trial.n_samples :], events, settings.delays(rate_hz))


def scores_of(
    settings: ReconvolutionSettings, trial: Cut, learned: Responses, rate_hz: float
) -> FloatArray:
    """Give each item's score at each look, shape (n_looks, n_items)."""
    look = settings.look_samples(rate_hz)
    running = Running(len(settings.items), learned.filters.shape[1])
    signal = whitened(trial.signal, learned)
    found = []
    for start in range(0, trial.n_samples, look):
        templates = templates_between(
            settings, trial.shown, learned, start=start, stop=start + look, rate_hz=rate_hz
        )
        running.add(signal[:, start : start + look], templates)
        found.append(running.scores())
    return np.array(found)


def _left_out(
    settings: ReconvolutionSettings,
    trials: Sequence[Cut],
    sums: Sequence[Sums],
    total: Sums,
    *,
    rate_hz: float,
    progress: Progress,
) -> FloatArray:
    """Score every trial by what the others taught, shape (n_trials, n_looks, n_items)."""
    n_looks = max(trial.n_samples for trial in trials) // settings.look_samples(rate_hz)
    scores = np.full((len(trials), n_looks, len(settings.items)), np.nan)
    folds = np.array_split(np.arange(len(trials)), min(MOST_FOLDS, len(trials)))
    for number, fold in enumerate(folds):
        progress(0.2 + 0.7 * number / len(folds), f"leaving out part {number + 1} of {len(folds)}")
        others = total.plus(summed([sums[place] for place in fold]), -1.0)
        learned = learn(others, len(settings.events), settings.n_components)
        for place in fold:
            found = scores_of(settings, trials[place], learned, rate_hz)
            scores[place, : len(found)] = found
    return scores


def _seconds(settings: ReconvolutionSettings, n_looks: int, rate_hz: float) -> FloatArray:
    result: FloatArray = np.arange(1, n_looks + 1) * settings.look_samples(rate_hz) / rate_hz
    return result


def _looks(scores: FloatArray, items: npt.NDArray[np.int64], seconds: FloatArray) -> Looks:
    n_trials, n_looks, n_items = scores.shape
    is_asked = np.arange(n_items) == items[:, None]
    attended = scores[np.arange(n_trials), :, items]
    others = scores.transpose(0, 2, 1)[~is_asked].reshape(n_trials, n_items - 1, n_looks)
    return Looks.measured(seconds, attended, others.transpose(0, 2, 1))


def _accuracies(scores: FloatArray, items: npt.NDArray[np.int64]) -> FloatArray:
    """Give the share of right trials at each look, of those that last so long."""
    there = np.isfinite(scores).all(axis=2)
    best = np.where(there, np.nan_to_num(scores, nan=-np.inf).argmax(axis=2), -1)
    right = (best == items[:, None]) & there
    result: FloatArray = right.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return result


def _last(scores: FloatArray, items: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Give how many trials are right at their own last look, and how many there are."""
    right = 0
    for trial, item in zip(scores, items, strict=True):
        last = trial[np.isfinite(trial).all(axis=1)][-1]
        right += int(last.argmax()) == int(item)
    return right, len(items)


def _check_above_chance(right: int, n: int, n_items: int, seconds: float) -> None:
    by_chance = luck(right, n, 1 / n_items)
    if by_chance <= MOST_CHANCE:
        return
    check_enough_to_tell(n, 1 / n_items)
    raise CalibrationError(
        "not-above-chance",
        f"this calibration is not above chance: {right} of {n} trials right when left out, after "
        f"{seconds:g} s, and guessing among {n_items} items does as well in "
        f"{100 * by_chance:.2g} % of cases. Check that the onset markers are locked to the "
        "display, and the electrodes",
        right=right,
        n_trials=n,
    )


def _most_at_rest(
    settings: ReconvolutionSettings,
    at_rest: Sequence[Cut],
    learned: Responses,
    looks: Looks,
    rate_hz: float,
) -> float:
    """Give the log odds of attention that only few of the trials at rest ever reach."""
    n_items = len(settings.items)
    log_prior = np.full(n_items, -np.log(n_items))
    most = []
    for trial in at_rest:
        scores = scores_of(settings, trial, learned, rate_hz)
        seconds = _seconds(settings, len(scores), rate_hz)
        most.append(
            max(
                attention(log_prior, looks.evidence(one, float(t)))
                for one, t in zip(scores, seconds, strict=True)
                if t >= settings.min_s
            )
        )
    return float(np.quantile(most, 1 - SELECTED_AT_REST))


def made_up_model(settings: ReconvolutionSettings, spec: SignalSpec) -> FittedModel:
    """Make a model of random responses, for examples."""
    rng = np.random.default_rng(5)
    n_channels, rate_hz = spec.n_channels, spec.rate_hz
    n_lags, n_delays = settings.lags(rate_hz), settings.delays(rate_hz)
    n_events = len(settings.events) * n_lags
    signal = rng.standard_normal((n_channels, 4 * n_events + 4 * n_channels))
    events = rng.standard_normal((n_events, signal.shape[1]))
    sums = Sums.of(signal, events, n_delays)
    table = np.array([[0.0, 0.02, 0.0, 0.02], [settings.max_s, 0.2, 0.0, 0.05]])
    return FittedModel(
        settings.kind,
        {**sums._asdict(), "looks": table},
        facts_of(settings, rate_hz, n_channels),
    )
