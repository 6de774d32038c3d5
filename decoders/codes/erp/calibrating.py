"""From marked flashes to a model: epochs, scores of flashes that were left out, densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.codes.erp.area import area, area_by_chance
from volition.decoders.codes.erp.classifier import Scorer, epoch_of, learn
from volition.decoders.codes.erp.densities import Densities
from volition.decoders.codes.erp.settings import ErpSettings
from volition.decoders.codes.marked import (
    AT_REST,
    FilteredSignal,
    MarkedFlash,
    MarkedTrial,
    check_dropped,
    trials_of,
)
from volition.decoders.codes.markers import Flash
from volition.decoders.codes.sequences import BoolArray
from volition.decoders.codes.stopping import attention
from volition.decoders.fitting.calibration import (
    MOST_CHANCE,
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
    check_channels_live,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.metrics import accuracy_interval, itr_bits_per_min

#: Number of parts in which flashes are left out; each is a stretch of time.
FOLDS = 5
LEAST_TARGETS = 20
PAUSE_S = 1.0
#: Share of the trials at rest that may be selected at the suggested threshold.
SELECTED_AT_REST = 0.05
#: A robust deviation is the median absolute one times this.
_ROBUST = 1.4826


class Flashes(NamedTuple):
    """Flashes of a calibration that lack nothing, in order of time.

    Attributes
    ----------
    epochs : ndarray, shape (n_flashes, n_channels, n_times)
    is_target : ndarray of bool, shape (n_flashes,)
    on : ndarray of bool, shape (n_flashes, n_items)
    trial : ndarray of int, shape (n_flashes,)
        Number of the trial.
    """

    epochs: FloatArray
    is_target: BoolArray
    on: BoolArray
    trial: npt.NDArray[np.int64]


def facts_of(settings: ErpSettings, rate_hz: float, n_channels: int) -> dict[str, Any]:
    """Give what a model was fitted for, as its manifest states it."""
    names = (
        *("classifier", "window_s", "baseline_s", "sample_s", "coarser", "limit_sd"),
        *("low_hz", "high_hz", "band_order"),
    )
    facts = {name: getattr(settings, name) for name in names}
    return {"rate_hz": rate_hz, "n_channels": n_channels, **facts}


def calibrate(
    settings: ErpSettings, calibration: CalibrationData, progress: Progress
) -> Calibrated:
    """Calibrate the decoder; see `FittedDecoder.calibrate`."""
    check_channels_live(calibration.spec, calibration.samples)
    signal = FilteredSignal.of(calibration, settings)
    rate_hz, n_channels = signal.rate_hz, calibration.spec.n_channels
    settings.check(rate_hz, n_channels)
    trials = trials_of(calibration, settings)
    progress(0.1, "cutting the flashes out")
    limit = _limit(settings, signal)
    flashes = _flashes(settings, signal, trials, limit)
    _check_classes(flashes.is_target)
    scores = _left_out(settings, flashes, progress)
    value = area(scores, flashes.is_target.tolist())
    _check_above_chance(value, flashes.is_target)
    densities = Densities.of(scores, flashes.is_target)
    ratios = densities.log_ratios(scores)
    progress(0.85, "fitting to all flashes")
    arrays = learn(settings, flashes.epochs, flashes.is_target)
    high, low = ratios[flashes.is_target], ratios[~flashes.is_target]
    model = FittedModel(
        settings.kind,
        {
            **arrays,
            "limit": np.zeros(0) if limit is None else limit,
            "grid": densities.grid,
            "log_ratio": densities.log_ratio,
            "flash_moments": np.array([high.mean(), high.std(), low.mean(), low.std()]),
        },
        facts_of(settings, rate_hz, n_channels),
    )
    suggested: dict[str, Any] = settings.model_dump(mode="json")
    items = _item_scores(settings, trials, flashes, ratios)
    rest_log_odds = _most_at_rest(
        settings, trials, signal, limit=limit, arrays=arrays, densities=densities
    )
    if rest_log_odds is not None:
        suggested["idle_log_odds"] = rest_log_odds
    told = {
        "auc": value,
        "n_flashes": len(flashes.is_target),
        "n_targets": int(flashes.is_target.sum()),
        "n_rest": sum(trial.target == AT_REST for trial in trials),
        "suggested_idle_log_odds": rest_log_odds,
        "pause_s": PAUSE_S,
        **items,
    }
    return Calibrated(model, suggested, told, len({*flashes.trial.tolist()}))


def _limit(settings: ErpSettings, signal: FilteredSignal) -> FloatArray | None:
    if settings.limit_sd is None:
        return None
    spread: FloatArray = np.median(np.abs(signal.samples[:, ~signal.bad]), axis=1)
    return settings.limit_sd * _ROBUST * spread


def _steps_of(settings: ErpSettings, trial: MarkedTrial) -> list[MarkedFlash]:
    """Give a trial's flashes: those marked, or the steps that follow its onset."""
    if settings.step_hz is None:
        return trial.flashes
    steps = settings.book.steps
    last_s = min(trial.end - trial.onset, settings.max_s)
    return [
        MarkedFlash(
            trial.onset + number / settings.step_hz,
            Flash(steps[:, number % steps.shape[1]], number % steps.shape[1]),
            None,
        )
        for number in range(int(last_s * settings.step_hz + 1e-6))
    ]


def _epoch(
    settings: ErpSettings, signal: FilteredSignal, time: float, limit: FloatArray | None
) -> FloatArray | None:
    first = signal.first_at(time)
    if first is None:
        return None
    samples = signal.between(
        first - settings.baseline_samples(signal.rate_hz),
        first + settings.epoch_samples(signal.rate_hz),
    )
    return None if samples is None else epoch_of(samples, settings, signal.rate_hz, limit)


def _flashes(
    settings: ErpSettings,
    signal: FilteredSignal,
    trials: Sequence[MarkedTrial],
    limit: FloatArray | None,
) -> Flashes:
    """Cut out the flashes of which it is known whether they held what was asked for."""
    epochs, is_target, on, numbers = [], [], [], []
    n_lacking = n_all = 0
    for number, trial in enumerate(trials):
        for marked in _steps_of(settings, trial):
            asked = marked.asked
            if asked is None:
                if not isinstance(trial.target, int) or not marked.flash.on.any():
                    continue
                asked = bool(marked.flash.on[trial.target])
            n_all += 1
            epoch = _epoch(settings, signal, marked.time, limit)
            if epoch is None:
                n_lacking += 1
                continue
            epochs.append(epoch)
            is_target.append(asked)
            on.append(marked.flash.on)
            numbers.append(number)
    if not n_all:
        raise CalibrationError(
            "no-trials",
            f"no flash came within the {len(trials)} trials: its markers must say which step or "
            f"items they are, in the convention {settings.convention!r}",
        )
    check_dropped(n_lacking, n_all, "flashes")
    return Flashes(np.array(epochs), np.array(is_target), np.array(on), np.array(numbers))


def _check_classes(is_target: BoolArray) -> None:
    n_targets, n_others = int(is_target.sum()), int((~is_target).sum())
    if not n_targets or not n_others:
        lacking = "held" if not n_targets else "lacked"
        raise CalibrationError(
            "class-missing",
            f"none of {len(is_target)} flashes {lacking} what was asked for: both kinds are needed",
            n_targets=n_targets,
            n_others=n_others,
        )
    if min(n_targets, n_others) < LEAST_TARGETS:
        raise CalibrationError(
            "too-few-trials",
            f"erp needs at least {LEAST_TARGETS} flashes that held what was asked for and as many "
            f"that did not; found {n_targets} and {n_others}",
            found=min(n_targets, n_others),
            allowed_from=LEAST_TARGETS,
        )


def _left_out(settings: ErpSettings, flashes: Flashes, progress: Progress) -> FloatArray:
    """Score every flash by what flashes of other stretches of time taught."""
    scores = np.zeros(len(flashes.is_target))
    for number, fold in enumerate(_folds(flashes)):
        progress(0.2 + 0.6 * number / FOLDS, f"leaving out part {number + 1} of {FOLDS}")
        others = np.setdiff1d(np.arange(len(scores)), fold)
        arrays = learn(settings, flashes.epochs[others], flashes.is_target[others])
        scores[fold] = Scorer(settings, arrays).scores(flashes.epochs[fold])
    return scores


def _folds(flashes: Flashes) -> list[npt.NDArray[np.int64]]:
    """Cut the flashes into stretches of time, between trials where there are enough of them."""
    names = np.unique(flashes.trial)
    if len(names) < FOLDS:
        return np.array_split(np.arange(len(flashes.trial)), FOLDS)
    groups = np.array_split(names, FOLDS)
    return [np.flatnonzero(np.isin(flashes.trial, group)) for group in groups]


def _check_above_chance(value: float, is_target: BoolArray) -> None:
    n_targets = int(is_target.sum())
    if area_by_chance(value, n_targets, len(is_target) - n_targets) > MOST_CHANCE:
        raise CalibrationError(
            "not-above-chance",
            f"this calibration is not above chance: flashes that were left out are told apart with "
            f"an area of {value:.3f} (0.5 is guessing; {n_targets} of {len(is_target)} held what "
            "was asked for). Check that the markers are locked to the flashes, and the electrodes",
            auc=value,
        )


def _item_scores(
    settings: ErpSettings, trials: Sequence[MarkedTrial], flashes: Flashes, ratios: FloatArray
) -> dict[str, Any]:
    """Say which trials' items are right when left out, after one repetition, two, ..."""
    repetitions: list[list[bool]] = []
    for number, trial in enumerate(trials):
        if not isinstance(trial.target, int):
            continue
        evidence = np.zeros(len(settings.items))
        counts = np.zeros(len(settings.items), dtype=np.int64)
        seen = 0
        for place in np.flatnonzero(flashes.trial == number):
            evidence += ratios[place] * flashes.on[place]
            counts += flashes.on[place]
            if int(counts.min()) > seen:
                seen = int(counts.min())
                if len(repetitions) < seen:
                    repetitions.append([])
                repetitions[seen - 1].append(int(evidence.argmax()) == trial.target)
    known = [told for told in repetitions if told]
    if not known:
        return {}
    most = known[-1] if len(known[-1]) >= len(known[0]) / 2 else known[0]
    share = sum(most) / len(most)
    lasts = [trial.end - trial.onset for trial in trials if isinstance(trial.target, int)]
    seconds = min(float(np.median(lasts)), settings.max_s)
    return {
        "accuracy": share,
        "interval": list(accuracy_interval(sum(most), len(most))),
        "chance": 1 / len(settings.items),
        "itr_bits_per_min": itr_bits_per_min(
            len(settings.items), share, seconds, gaze_shift_s=PAUSE_S
        ),
        "by_flashes": [
            {"flashes": number, "accuracy": sum(told) / len(told), "n_trials": len(told)}
            for number, told in enumerate(known, 1)
        ],
    }


def _most_at_rest(
    settings: ErpSettings,
    trials: Sequence[MarkedTrial],
    signal: FilteredSignal,
    *,
    limit: FloatArray | None,
    arrays: dict[str, FloatArray],
    densities: Densities,
) -> float | None:
    """Give the log odds of attention that only few of the trials at rest ever reach."""
    scorer, n_items = Scorer(settings, arrays), len(settings.items)
    log_prior = np.full(n_items, -np.log(n_items))
    most = []
    for trial in (one for one in trials if one.target == AT_REST):
        evidence, highest = np.zeros(n_items), -np.inf
        counts = np.zeros(n_items, dtype=np.int64)
        for marked in _steps_of(settings, trial):
            epoch = _epoch(settings, signal, marked.time, limit)
            if epoch is None:
                continue
            ratio = densities.log_ratios(scorer.scores(epoch[None]))[0]
            evidence += ratio * marked.flash.on
            counts += marked.flash.on
            if int(counts.min()) >= settings.min_flashes:
                highest = max(highest, attention(log_prior, evidence))
        if np.isfinite(highest):
            most.append(highest)
    return float(np.quantile(most, 1 - SELECTED_AT_REST)) if most else None


def made_up_model(settings: ErpSettings, spec: SignalSpec) -> FittedModel:
    """Make a model of random epochs, for examples."""
    rng = np.random.default_rng(4)
    rate_hz, n_channels = spec.rate_hz, spec.n_channels
    n_times = settings.epoch_samples(rate_hz) // settings.decimation(rate_hz)
    is_target = np.arange(120) % 4 == 0
    epochs = rng.standard_normal((len(is_target), n_channels, n_times))
    epochs[is_target] += 0.5
    arrays = learn(settings, epochs, is_target)
    scores = Scorer(settings, arrays).scores(epochs)
    densities = Densities.of(scores, is_target)
    limit = np.full(n_channels, 60.0) if settings.limit_sd else np.zeros(0)
    return FittedModel(
        settings.kind,
        {
            **arrays,
            "limit": limit,
            "grid": densities.grid,
            "log_ratio": densities.log_ratio,
            "flash_moments": np.array([1.5, 1.5, -1.0, 1.0]),
        },
        facts_of(settings, rate_hz, n_channels),
    )
