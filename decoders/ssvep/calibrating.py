"""From a marked signal to a calibrated SSVEP decoder: trials, windows, scores, a suggestion.

A trial is an event whose data name its target: ``target`` is a label of the decoder's or "rest",
or ``freq_hz`` is its flicker (0 at rest). It lasts until the next event. The decoder is
cross-validated at several window lengths: where there are several recordings
(`volition.decoders.fitting.calibration.joined`) each is left out whole, else one block at a time
(`volition.decoders.ssvep.folds`). The length of the highest information transfer rate is suggested,
and with trials at rest the confidence that keeps rest silent. The model is then fitted to all
trials at that length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from volition.chunk import Event, FloatArray
from volition.decoders.filtering import regular_rate
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
from volition.decoders.fitting.metrics import accuracy_interval, confusion, itr_bits_per_min, luck
from volition.decoders.ssvep.estimator import REST, IntArray, filtered_windows
from volition.decoders.ssvep.folds import Folds, folds_of
from volition.decoders.ssvep.settings import SelectorSettings
from volition.errors import ConfigError, DecodeError

#: Lengths that are tried besides the decoder's own, seconds.
WINDOWS_S = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
#: Time in which the gaze moves; a selection takes it besides its window and the latency of vision.
GAZE_SHIFT_S = 0.5
#: The fastest window that is right at least this often is suggested.
LEAST_ACCURACY = 0.8
#: Share of the trials at rest that may be selected at the suggested confidence.
SELECTED_AT_REST = 0.1
#: Signal before a window that the filters settle on, seconds.
LEAD_S = 0.5
#: A trial that varies by less than this share of its largest sample is flat.
SILENT = 1e-10
#: Trials are dropped for a gap; more than this share of them, and the signal is too bad.
MOST_DROPPED = 0.25
_RESTING = "rest"


class Learner(Protocol):
    """What learns from trials and scores windows; see `volition.decoders.ssvep.templates`."""

    settings: Any
    rate_hz: float

    def learned(self, trials: FloatArray) -> Any:
        """Learn from trials (n_targets, n_trials, n_bands, n_channels, window_samples)."""

    def scores(self, arrays: Any, window: FloatArray) -> FloatArray:
        """Give each target's score of a window, by what `learned` gave."""

    def confidence(self, scores: FloatArray) -> float:
        """Give the confidence in the best of a window's scores, 0 to 1."""

    def fit(self, epochs: FloatArray, targets: IntArray, recordings: IntArray) -> FittedModel:
        """Learn from all trials (n_trials, n_channels, n_samples), those at rest among them.

        ``recordings`` numbers each trial's recording.
        """


class Trial(NamedTuple):
    """What was asked at a moment, and how long it lasted."""

    onset: float
    target: int
    lasted_s: float


class Validated(NamedTuple):
    """Trials that were left out, decoded at one window length; those at rest apart."""

    window_s: float
    wanted: IntArray
    decoded: IntArray
    confidence: FloatArray
    at_rest: FloatArray

    @property
    def n_right(self) -> int:
        return int((self.wanted == self.decoded).sum())

    @property
    def accuracy(self) -> float:
        return self.n_right / len(self.wanted)


def target_of(event: Event, settings: SelectorSettings) -> int | None:
    """Give the index of the target that an event's data name, `REST`, or None for no trial."""
    if settings.onset_markers and event.name not in settings.onset_markers:
        return None
    named, freq_hz = event.data.get("target"), event.data.get("freq_hz")
    for place, target in enumerate(settings.targets):
        if named == target.label:
            return place
    if isinstance(freq_hz, int | float):
        for place, target in enumerate(settings.targets):
            if abs(target.freq_hz - freq_hz) < 1e-6:
                return place
    return REST if named == _RESTING or freq_hz == 0 else None


def trials_of(calibration: CalibrationData, settings: SelectorSettings) -> list[Trial]:
    """Give the trials, in order of time."""
    events = sorted(calibration.events, key=lambda event: event.time)
    newest = float(calibration.times[-1]) if len(calibration.times) else -np.inf
    ends = [event.time for event in events[1:]] + [newest]
    found = []
    for event, end in zip(events, ends, strict=False):  # without an event, an end is left
        target = target_of(event, settings)
        if target is not None and end > event.time:
            found.append(Trial(event.time, target, end - event.time))
    return found


def calibrate_selector(
    estimator: Callable[[Any, float], Learner],
    settings: SelectorSettings,
    calibration: CalibrationData,
    progress: Progress,
    *,
    least_trials: int = 2,
    lengths_s: Sequence[float] = WINDOWS_S,
) -> Calibrated:
    """Calibrate an SSVEP decoder; see `FittedDecoder.calibrate`.

    Parameters
    ----------
    estimator
        Makes one for settings and a rate, Hz.
    least_trials
        Least number of trials of each target.
    lengths_s
        Windows that are tried besides the settings' own, seconds.
    """
    rate_hz = regular_rate(calibration.spec, settings.kind)
    check_channels_live(calibration.spec, calibration.samples)
    trials = _checked_trials(calibration, settings, least_trials)
    windows_s = _windows_to_try(calibration, settings, trials, rate_hz, lengths_s)
    epochs, trials = _epochs(calibration, settings, trials, windows_s[-1], rate_hz)
    targets = np.array([trial.target for trial in trials])
    _check_counts(targets, settings, least_trials)
    recordings = _recordings_of(trials, calibration)
    folds = folds_of(targets, recordings, len(settings.targets), max(least_trials - 1, 1))
    tried = []
    for number, window_s in enumerate(windows_s):
        done, share = 0.1 + 0.7 * number / len(windows_s), 0.7 / len(windows_s)
        chosen = settings.model_copy(update={"window_s": window_s})
        cut = _cut(epochs, window_s, windows_s[-1], rate_hz)
        tried.append(
            _validated(
                estimator(chosen, rate_hz),
                cut,
                targets,
                folds,
                _within(progress, done, share),
            )
        )
    best = _suggested(tried, settings)
    _check_above_chance(best, settings)
    progress(0.85, "fitting to all trials")
    chosen = settings.model_copy(update={"window_s": best.window_s})
    cut = _cut(epochs, best.window_s, windows_s[-1], rate_hz)
    model = _fitted(estimator(chosen, rate_hz), cut, targets, recordings)
    threshold = _threshold(best)
    if (targets == REST).any():
        chosen = chosen.model_copy(update={"min_confidence": threshold})
    scores = _scores(tried, best, threshold, settings) | {"left_out": folds.of}
    return Calibrated(model, chosen.model_dump(mode="json"), scores, len(trials))


def _within(progress: Progress, done: float, share: float) -> Progress:
    """Give what tells how far a part of the whole is."""
    return lambda part, step: progress(done + share * part, step)


def _checked_trials(
    calibration: CalibrationData, settings: SelectorSettings, least: int
) -> list[Trial]:
    trials = trials_of(calibration, settings)
    if not any(trial.target != REST for trial in trials):
        raise CalibrationError(
            "no-trials",
            f"no event names a target: {len(calibration.events)} events came, and a trial is one "
            "whose data have target (a label) or freq_hz",
        )
    _check_counts(np.array([trial.target for trial in trials]), settings, least)
    return trials


def _check_counts(targets: IntArray, settings: SelectorSettings, least: int) -> None:
    counts = np.bincount(targets[targets != REST], minlength=len(settings.targets))
    labels = [target.label for target in settings.targets]
    missing = [label for label, count in zip(labels, counts, strict=True) if count == 0]
    if missing:
        raise CalibrationError(
            "class-missing", f"no trial of {', '.join(missing)}", targets=missing
        )
    least = max(least, 2)
    if counts.min() < least:
        few = labels[int(counts.argmin())]
        raise CalibrationError(
            "too-few-trials",
            f"{settings.kind} needs at least {least} trials of each target; {few} has "
            f"{counts.min()}",
            target=few,
            found=int(counts.min()),
            allowed_from=least,
        )


def _windows_to_try(
    calibration: CalibrationData,
    settings: SelectorSettings,
    trials: Sequence[Trial],
    rate_hz: float,
    lengths_s: Sequence[float],
) -> list[float]:
    """Give the lengths, ascending, that every trial is long enough for and the decoder allows."""
    longest = min(trial.lasted_s for trial in trials) - settings.delay_s
    found = []
    for window_s in sorted({*lengths_s, settings.window_s}):
        if window_s > longest + 0.5 / rate_hz:
            continue
        try:
            settings.model_copy(update={"window_s": window_s}).check(
                rate_hz, calibration.spec.n_channels
            )
        except ConfigError:
            continue
        found.append(window_s)
    if not found:
        raise CalibrationError(
            "trials-too-short",
            f"the shortest trial lasts {longest + settings.delay_s:.2f} s: no window fits behind "
            f"the latency of {settings.delay_s:g} s",
            found=longest + settings.delay_s,
        )
    return found


def _epochs(
    calibration: CalibrationData,
    settings: SelectorSettings,
    trials: Sequence[Trial],
    window_s: float,
    rate_hz: float,
) -> tuple[FloatArray, list[Trial]]:
    """Cut the trials out, each with signal to settle on before; drop those with a gap, or flat."""
    times, n_lead = calibration.times, round(LEAD_S * rate_hz)
    n_window = round(window_s * rate_hz)
    kept, epochs = [], []
    for trial in trials:
        first = int(np.searchsorted(times, trial.onset + settings.delay_s))
        rows = slice(first - n_lead, first + n_window)
        if rows.start < 0 or rows.stop > len(times):
            continue
        samples = calibration.samples[rows]
        steady = np.diff(times[rows]).max() < 2.5 / rate_hz
        live = samples.std(axis=0).max() > SILENT * np.abs(samples).max()
        if steady and live and np.isfinite(samples).all():
            kept.append(trial)
            epochs.append(samples.T)
    n_dropped = len(trials) - len(kept)
    if n_dropped > MOST_DROPPED * len(trials):
        raise CalibrationError(
            "missing-samples",
            f"{n_dropped} of {len(trials)} trials lack samples, what comes before, or any signal",
            found=n_dropped,
        )
    return np.array(epochs), kept


def _cut(epochs: FloatArray, window_s: float, longest_s: float, rate_hz: float) -> FloatArray:
    """Give epochs whose last ``window_s`` are a window that begins where the longest does."""
    n_over = round(longest_s * rate_hz) - round(window_s * rate_hz)
    return epochs[..., : epochs.shape[-1] - n_over]


def _recordings_of(trials: Sequence[Trial], calibration: CalibrationData) -> IntArray:
    """Give the number of each trial's recording."""
    onsets = np.array([trial.onset for trial in trials])
    found: IntArray = np.searchsorted(np.array(calibration.starts), onsets, side="right")
    return found


def _validated(
    estimator: Learner, epochs: FloatArray, targets: IntArray, folds: Folds, progress: Progress
) -> Validated:
    """Decode every trial by what the others taught."""
    settings = estimator.settings
    windows = filtered_windows(settings, epochs, estimator.rate_hz)
    wanted, decoded, confidence = [], [], []
    length = f"windows of {settings.window_s:g} s"
    n_parts = len(folds.parts)
    for number, (learn, tested) in enumerate(folds.parts):
        progress(number / n_parts, f"cross-validating {length}: {number + 1} of {n_parts}")
        arrays = estimator.learned(windows[learn])
        for place in tested.tolist():
            scores = estimator.scores(arrays, windows[place])
            wanted.append(int(targets[place]))
            decoded.append(int(scores.argmax()))
            confidence.append(estimator.confidence(scores))
    is_rest = np.array(wanted) == REST
    chances = np.array(confidence)
    return Validated(
        settings.window_s,
        np.array(wanted)[~is_rest],
        np.array(decoded)[~is_rest],
        chances[~is_rest],
        chances[is_rest],
    )


def _rate(one: Validated, settings: SelectorSettings) -> float:
    decision_s = settings.delay_s + one.window_s
    return itr_bits_per_min(
        len(settings.targets), one.accuracy, decision_s, gaze_shift_s=GAZE_SHIFT_S
    )


def _suggested(tried: Sequence[Validated], settings: SelectorSettings) -> Validated:
    """Give the length of the highest rate, among those right often enough if there is any."""
    good = [one for one in tried if one.accuracy >= LEAST_ACCURACY]
    return max(good or tried, key=lambda one: (_rate(one, settings), one.accuracy))


def _check_above_chance(best: Validated, settings: SelectorSettings) -> None:
    n_targets, n, right = len(settings.targets), len(best.wanted), best.n_right
    by_chance = luck(right, n, 1 / n_targets)
    if by_chance > MOST_CHANCE:
        check_enough_to_tell(n, 1 / n_targets)
        raise CalibrationError(
            "not-above-chance",
            f"this calibration is not above chance: {right} of {n} trials right when left out "
            f"at {best.window_s:g} s, and guessing among {n_targets} targets does as well "
            f"in {100 * by_chance:.2g} % of cases. Check that the onset markers are locked to the "
            "flicker, and the electrodes",
            right=right,
            n_trials=n,
        )


def _fitted(
    estimator: Learner, epochs: FloatArray, targets: IntArray, recordings: IntArray
) -> FittedModel:
    try:
        return estimator.fit(epochs, targets, recordings)
    except CalibrationError:
        raise
    except DecodeError as error:
        raise CalibrationError("cannot-be-fitted", error.message, **error.fields) from None


def _threshold(best: Validated) -> float:
    """Give the confidence that keeps rest silent; without rest, the one that 95 % right reach."""
    if len(best.at_rest):
        found = float(np.quantile(best.at_rest, 1 - SELECTED_AT_REST))
    else:
        right = best.confidence[best.wanted == best.decoded]
        found = float(np.quantile(right, 0.05)) if len(right) else 0.0
    return min(found, 0.99)


def _scores(
    tried: Sequence[Validated], best: Validated, threshold: float, settings: SelectorSettings
) -> dict[str, Any]:
    labels = [target.label for target in settings.targets]
    low, high = accuracy_interval(best.n_right, len(best.wanted))
    counts = confusion([labels[i] for i in best.wanted], [labels[i] for i in best.decoded], labels)
    selected = best.confidence >= threshold
    return {
        "accuracy": best.accuracy,
        "interval": [low, high],
        "chance": 1 / len(labels),
        "itr_bits_per_min": _rate(best, settings),
        "gaze_shift_s": GAZE_SHIFT_S,
        "n_trials": len(best.wanted),
        "n_rest": len(best.at_rest),
        "suggested_window_s": best.window_s,
        "suggested_min_confidence": threshold,
        "selected_share": float(selected.mean()),
        "selected_at_rest": float((best.at_rest >= threshold).mean())
        if len(best.at_rest)
        else None,
        "by_window": [
            {
                "window_s": one.window_s,
                "accuracy": one.accuracy,
                "interval": list(accuracy_interval(one.n_right, len(one.wanted))),
                "itr_bits_per_min": _rate(one, settings),
            }
            for one in tried
        ],
        "labels": labels,
        "confusion": counts.tolist(),
    }
