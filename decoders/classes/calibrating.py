"""From a marked signal to a calibrated decoder of classes, and how well it does.

    sessions ──> faulty ones left out ──> channels that are alive ──> windows of trials
        └──> left out in turn: accuracy, whether re-centring helps ──> fit to all ──> model, report

With several sessions each is left out in turn, with one each of five blocks of time: windows of
one trial, and trials that lie side by side, are never on both sides. What is not above chance is
refused. Whether re-centring helps is asked of the sessions left out: it does where it makes
what was asked for more likely, by more than sessions differ. Fewer than four sessions cannot tell;
of three it is on where without it nothing would be above chance and with it much is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import spectral
from volition.decoders.classes import electrodes
from volition.decoders.classes.course import Course
from volition.decoders.classes.drift import distances
from volition.decoders.classes.method import ClassMethod, IntArray
from volition.decoders.classes.models import CENTRED, PLAIN, SESSION_CENTRES, facts_of, named
from volition.decoders.classes.observing import Asked, Observed, observe, sessions_of, trials_of
from volition.decoders.classes.report import Judged, report, would_do_alone
from volition.decoders.classes.settings import ClassSettings
from volition.decoders.filtering import regular_rate
from volition.decoders.fitting.calibration import (
    MOST_CHANCE,
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
    check_enough_to_tell,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.metrics import luck

#: Blocks of time that a single session is cut into.
N_BLOCKS = 5
#: Number of sessions from which it can be told whether re-centring helps; one fewer counts only
#: where nothing else is above chance.
LEAST_SESSIONS = 4
#: Highest chance probability of a second look, after a first that was at chance.
MOST_CHANCE_OF_FEW = 1e-4
#: Trials of each class that a fit needs.
LEAST_TRIALS = 3
#: A distance that is usual whatever a calibration saw: days that decode alike lie so far apart
#: (on `mi_openbci` 0.3 to 0.7), and a mean of half a minute is found to a third of it.
LEAST_USUAL = 0.7
#: The bands that eyes and muscles are seen in, Hz.
EYES_HZ, EYE_COURSE_HZ, MUSCLE_HZ = (1.0, 4.0), (0.3, 4.0), (30.0, 45.0)


class Prepared(NamedTuple):
    """A calibration's signal, ready to learn from.

    Attributes
    ----------
    data
        Without the sessions that are faulty.
    channels
        Places of the channels that are used.
    left_out
        Why each other channel is not, by its label.
    faulty
        Why a recording was left out, by its name.
    trials
        In order of time.
    """

    data: CalibrationData
    channels: list[int]
    left_out: dict[str, str]
    faulty: dict[str, str]
    trials: list[Asked]


def calibrate_classes(
    method: type[ClassMethod[Any]],
    settings: ClassSettings,
    calibration: CalibrationData,
    progress: Progress,
) -> Calibrated:
    """Calibrate a decoder of classes; see `FittedDecoder.calibrate`.

    ``calibration.options`` may hold ``keep_faulty`` (learn from recordings that lost samples too),
    ``controls`` (False: do not ask what eyes and muscle alone would do) and ``accept`` (give what
    is not above chance too, with the reason in the scores' ``refusal``: for evaluations alone).
    """
    rate_hz = regular_rate(calibration.spec, settings.kind)
    prepared = prepared_of(calibration, settings)
    judge = method(settings, rate_hz)
    progress(0.1, "cutting trials out of the signal")
    seen = observe(judge, prepared.data, prepared.channels, prepared.trials)
    n_classes = len(settings.classes)
    _check_counts(seen, settings)
    progress(0.3, "leaving sessions or blocks out")
    judged, tried = _validated(judge, seen, n_classes)
    refusal = refusal_of(judged, n_classes, len(tried))
    if refusal is not None and not prepared.data.options.get("accept"):
        raise refusal
    progress(0.6, "asking what eyes and muscle alone would do")
    controls = {}
    if judge.of_brain and prepared.data.options.get("controls", True):
        controls = _controls(method, settings, prepared, rate_hz)
    progress(0.8, "fitting to all trials")
    scores = report(
        judged,
        settings.classes,
        [prepared.data.names[k] for k in seen.recordings] if prepared.data.names else [],
        controls=controls,
        tried=tried,
        channels=[prepared.data.spec.labels[k] for k in prepared.channels],
        electrodes=[settings.electrodes[k] for k in prepared.channels]
        if len(settings.electrodes) == prepared.data.spec.n_channels
        else [],
        left_out=prepared.left_out,
        faulty=prepared.faulty,
        bands=judge.edges,
        n_dropped=seen.n_dropped,
    )
    if refusal is not None:
        scores["refusal"] = refusal.message
    model = _model(judge, seen, prepared, helps=judged.mode == CENTRED)
    return Calibrated(model, settings.model_dump(mode="json"), scores, len(np.unique(seen.trials)))


# -- what is learned from ---------------------------------------------------------------------


def prepared_of(calibration: CalibrationData, settings: ClassSettings) -> Prepared:
    """Leave out what cannot be learned from, and find the trials.

    Raises
    ------
    CalibrationError
        Nothing is left.
    """
    data, faulty = _sound(calibration)
    if not len(data.times):
        raise CalibrationError("no-trials", "there is no signal yet to calibrate on")
    channels, left_out = _alive(data)
    trials = trials_of(data, settings)
    if not trials:
        raise CalibrationError(
            "no-trials",
            f"no event names a class: {len(data.events)} events came, and a trial is one whose "
            f"data have 'class', one of {', '.join(settings.classes)}",
        )
    return Prepared(data, channels, left_out, faulty, trials)


def _sound(calibration: CalibrationData) -> tuple[CalibrationData, dict[str, str]]:
    """Leave out the recordings that are faulty, where others are not."""
    faulty = {calibration.names[k]: why for k, why in calibration.faulty.items()}
    n_parts = max(1, len(calibration.starts))
    keeps_all = bool(calibration.options.get("keep_faulty"))
    if not faulty or keeps_all or len(faulty) == n_parts:
        return calibration, faulty
    ends = [*calibration.starts[1:], np.inf]
    kept_times = np.ones(len(calibration.times), dtype=bool)
    events = list(calibration.events)
    for k in calibration.faulty:
        start, end = calibration.starts[k], ends[k]
        kept_times &= ~((calibration.times >= start) & (calibration.times < end))
        events = [one for one in events if not start <= one.time < end]
    sound = [k for k in range(n_parts) if k not in calibration.faulty]
    data = replace(
        calibration,
        samples=calibration.samples[kept_times],
        times=calibration.times[kept_times],
        events=events,
        starts=tuple(calibration.starts[k] for k in sound),
        names=tuple(calibration.names[k] for k in sound),
        faulty={},
    )
    return data, faulty


def _alive(data: CalibrationData) -> tuple[list[int], dict[str, str]]:
    """Give the channels that every session has, and why the others are left out."""
    left_out: dict[str, str] = {}
    for rows in sessions_of(data):
        for place, why in electrodes.faults(data.samples[rows]).items():
            left_out.setdefault(data.spec.labels[place], why)
    channels = [k for k, label in enumerate(data.spec.labels) if label not in left_out]
    if not channels:
        told = ", ".join(f"{label} ({why})" for label, why in left_out.items())
        raise CalibrationError("bad-channel", f"no channel can be used: {told}")
    return channels, left_out


def _check_counts(seen: Observed, settings: ClassSettings) -> None:
    if not len(seen.trials):
        raise CalibrationError(
            "trials-too-short",
            f"no trial holds a whole window: {settings.window_s:g} s from {settings.delay_s:g} s "
            "after its onset, without a missing sample",
        )
    _, first = np.unique(seen.trials, return_index=True)
    counts = np.bincount(seen.classes[first], minlength=len(settings.classes))
    few = [
        f"{label} has {count}"
        for label, count in zip(settings.classes, counts.tolist(), strict=True)
        if count < LEAST_TRIALS
    ]
    if few:
        raise CalibrationError(
            "class-missing" if counts.min() == 0 else "too-few-trials",
            f"{settings.kind} needs at least {LEAST_TRIALS} trials of each class; {', '.join(few)}",
            allowed_from=LEAST_TRIALS,
        )
    check_enough_to_tell(int(counts.sum()), 1.0 / len(settings.classes))


# -- how well it does -------------------------------------------------------------------------


def folds_of(seen: Observed) -> tuple[IntArray, str]:
    """Give the number of each window's fold, and what a fold is: a session or a block of time."""
    if len(np.unique(seen.sessions)) > 1:
        return seen.sessions, "session"
    order = np.unique(seen.trials)
    block = (np.arange(len(order)) * N_BLOCKS) // len(order)
    return block[np.searchsorted(order, seen.trials)], "block"


def left_out_log_probabilities(
    judge: ClassMethod[Any], seen: Observed, folds: IntArray, n_classes: int, fit: str
) -> FloatArray:
    """Give each window's log probabilities by a fit to the other folds; NaN where none was made.

    A fold is not judged where the others lack a class.
    """
    learned = seen.recentred_by_session() if fit == CENTRED else seen.features
    shown = seen.recentred_so_far() if fit == CENTRED else seen.features
    found = np.full((len(folds), n_classes), np.nan)
    for fold in np.unique(folds):
        out = folds == fold
        if np.bincount(seen.classes[~out], minlength=n_classes).min() < 2:
            continue
        arrays = judge.fit(learned[~out], seen.classes[~out], n_classes)
        found[out] = judge.log_probabilities(arrays, shown[out])
    return found


def _validated(
    judge: ClassMethod[Any], seen: Observed, n_classes: int
) -> tuple[Judged, dict[str, float]]:
    """Judge every trial by what was learned from other sessions or blocks.

    Returns
    -------
    Judged
        Judgement of the fit that makes what was asked for more likely.
    dict
        The mean log probability of what was asked for, by fit.
    """
    folds, by = folds_of(seen)
    judged = {
        fit: Judged.of(
            left_out_log_probabilities(judge, seen, folds, n_classes, fit), seen, folds, by, fit
        )
        for fit in _fits_to_try(judge.settings, seen, by)
    }
    tried = {fit: one.log_likelihood for fit, one in judged.items()}
    chosen = next(iter(judged))
    if len(judged) > 1 and recentring_helps(judged[PLAIN], judged[CENTRED]):
        unsure = len(np.unique(folds)) < LEAST_SESSIONS and _is_above_chance(
            judged[PLAIN], n_classes
        )
        chosen = PLAIN if unsure else CENTRED
    return judged[chosen], tried


def _fits_to_try(settings: ClassSettings, seen: Observed, by: str) -> list[str]:
    """Give the fits that the settings allow, where there are sessions enough to compare them."""
    mode = getattr(settings, "recentre", "off")
    if mode != "auto":
        return [PLAIN if mode == "off" else CENTRED]
    n_sessions = len(np.unique(seen.sessions))
    return [PLAIN, CENTRED] if by == "session" and n_sessions >= LEAST_SESSIONS - 1 else [PLAIN]


def recentring_helps(plain: Judged, centred: Judged) -> bool:
    """Say whether what was asked for is more likely re-centred, by more than sessions differ.

    That is a mean difference over sessions above its standard error: the cost of doing so in vain
    is as large as the gain where it is needed.
    """
    gained = centred.log_p - plain.log_p
    by_session = np.array([gained[plain.folds == k].mean() for k in np.unique(plain.folds)])
    spread = by_session.std(ddof=1) / np.sqrt(len(by_session))
    return bool(by_session.mean() > spread)


def _is_above_chance(judged: Judged, n_classes: int, most: float = MOST_CHANCE) -> bool:
    return luck(judged.n_right, len(judged.wanted), 1.0 / n_classes) <= most


def refusal_of(judged: Judged, n_classes: int, n_looks: int = 1) -> CalibrationError | None:
    """Give why the calibration is not above chance; None where it is."""
    chance = 1.0 / n_classes
    if not len(judged.wanted):
        return CalibrationError(
            "too-few-trials", "no session or block can be left out: the others lack a class"
        )
    if _is_above_chance(judged, n_classes, MOST_CHANCE / n_looks):
        return None
    by_luck = luck(judged.n_right, len(judged.wanted), chance)
    return CalibrationError(
        "not-above-chance",
        f"{judged.n_right} of {len(judged.wanted)} trials that were left out were told right, "
        f"where chance gives {100 * chance:.0f} %: guessing does as well in "
        f"{100 * by_luck:.2g} % of cases",
        accuracy=judged.accuracy,
        chance=chance,
    )


def _controls(
    method: type[ClassMethod[Any]], settings: ClassSettings, prepared: Prepared, rate_hz: float
) -> dict[str, Any]:
    """Judge by what eyes and muscle alone would show."""
    labels: Sequence[str] = prepared.data.spec.labels
    if len(settings.electrodes) == len(labels):
        labels = settings.electrodes
    front = [k for k in electrodes.frontal(labels) if k in prepared.channels]
    seen_by_eyes = front or prepared.channels
    from_cue = settings.model_copy(update={"delay_s": 0.0})
    asked: list[tuple[str, ClassMethod[Any], list[int]]] = [
        ("eyes", method(settings, rate_hz, [EYES_HZ]), seen_by_eyes),
        ("eye_course", Course(from_cue, rate_hz, [EYE_COURSE_HZ]), seen_by_eyes),
    ]
    if MUSCLE_HZ[1] < 0.45 * rate_hz:
        asked.append(("muscle", method(settings, rate_hz, [MUSCLE_HZ]), prepared.channels))
    return {
        name: would_do_alone(
            _judged_alone(judge, prepared, channels),
            judge.edges[0],
            [labels[k] for k in channels],
            is_frontal=bool(front),
        )
        for name, judge, channels in asked
    }


def _judged_alone(judge: ClassMethod[Any], prepared: Prepared, channels: Sequence[int]) -> Judged:
    seen = observe(judge, prepared.data, channels, prepared.trials)
    folds, by = folds_of(seen)
    n_classes = len(judge.settings.classes)
    log_p = left_out_log_probabilities(judge, seen, folds, n_classes, PLAIN)
    return Judged.of(log_p, seen, folds, by, PLAIN)


# -- the model --------------------------------------------------------------------------------


def _model(
    judge: ClassMethod[Any], seen: Observed, prepared: Prepared, *, helps: bool
) -> FittedModel:
    n_classes = len(judge.settings.classes)
    channels = tuple(prepared.data.spec.labels[k] for k in prepared.channels)
    arrays = named(PLAIN, judge.fit(seen.features, seen.classes, n_classes))
    fits, more = [PLAIN], {}
    if judge.of_covariances:
        centred = judge.fit(seen.recentred_by_session(), seen.classes, n_classes)
        arrays |= named(CENTRED, centred) | {SESSION_CENTRES: seen.session_centres}
        fits.append(CENTRED)
        more = {"recentring_helps": helps, "usual_distance": _usual_distance(seen)}
    facts = facts_of(judge, channels, fits, n_sessions=len(np.unique(seen.sessions)), **more)
    return FittedModel(judge.settings.kind, arrays, facts)


def _usual_distance(seen: Observed) -> float:
    """Give how far a session's signal lies from the nearest centre of others.

    For a single session: the distance from its running centre to that of the whole.
    """
    whitening = spectral(seen.session_centres, -0.5)
    if len(whitening) > 1:
        found = [
            distances(np.delete(whitening, k, axis=0), one).min()
            for k, one in enumerate(seen.session_centres)
        ]
    else:
        later = seen.centres[len(seen.centres) // 5 :]
        found = [distances(whitening, one)[0] for one in later]
    return max(LEAST_USUAL, float(np.max(found)))
