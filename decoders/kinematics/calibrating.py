"""From a marked signal to a calibrated cursor: labels from where the target and the cursor were.

An event whose data have ``position`` is the target (with ``radius``, 0 when left out) or, named
``cursor``, where the cursor was shown; without the latter the session's own cursor counts. The
label of a bin is the velocity that somebody must have aimed at (`aimed_velocities`). Options:
``speed``, the largest that is aimed at, ``slowing_s``, and ``reaction_s``, after which a target is
taken up; before, the last one counts. It is cross-validated over blocks of
consecutive bins; a trial counts as right when the direction that was decoded in it is less than a
right angle off, by chance a half of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from volition.chunk import Chunk, Event, FloatArray
from volition.decoders.contract.trials import HELP
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
from volition.decoders.fitting.metrics import accuracy_interval, luck
from volition.decoders.kinematics.bins import Bins, samples_per_step
from volition.decoders.kinematics.labels import aimed_velocities
from volition.decoders.kinematics.settings import KinematicSettings
from volition.errors import DecodeError

CURSOR = "cursor"
"""Name of the event that says where the cursor is shown."""

_NO_TARGETS = (CURSOR, HELP)

#: Targets that a calibration needs, and bins.
LEAST_TRIALS, LEAST_BINS = 8, 50
_N_BLOCKS = 4
_SPEED, _SLOWING_S, _REACTION_S = 20.0, 0.3, 0.2

#: Gives a model of features, velocities and positions, one row a bin of each.
Fit: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray], FittedModel]
#: Gives the velocities that a model decodes from features.
Decode: TypeAlias = Callable[[FittedModel, FloatArray], FloatArray]


class Labelled(NamedTuple):
    """Bins with what was meant in each, side by side; the time is that of its newest sample."""

    features: FloatArray
    positions: FloatArray
    velocities: FloatArray
    trials: npt.NDArray[np.int64]
    times: FloatArray

    def where(self, wanted: npt.NDArray[np.bool_]) -> Labelled:
        """Give some of the bins."""
        return Labelled(
            self.features[wanted],
            self.positions[wanted],
            self.velocities[wanted],
            self.trials[wanted],
            self.times[wanted],
        )


def calibrate_cursor(
    settings: KinematicSettings,
    calibration: CalibrationData,
    progress: Progress,
    *,
    fit: Fit,
    decode: Decode,
) -> Calibrated:
    """Calibrate a decoder of movement; see `FittedDecoder.calibrate`."""
    check_channels_live(calibration.spec, calibration.samples)
    labelled = labelled_bins(settings, calibration)
    n_trials = len(np.unique(labelled.trials))
    if n_trials < LEAST_TRIALS or len(labelled.features) < LEAST_BINS:
        raise CalibrationError(
            "too-few-trials",
            f"{settings.kind} needs at least {LEAST_TRIALS} targets and {LEAST_BINS} bins; found "
            f"{n_trials} and {len(labelled.features)}",
            found=n_trials,
            allowed_from=LEAST_TRIALS,
        )
    decoded = np.empty_like(labelled.velocities)
    blocks = np.array_split(np.arange(len(labelled.features)), _N_BLOCKS)
    for number, block in enumerate(blocks):
        progress(0.1 + 0.7 * number / _N_BLOCKS, f"cross-validating part {number + 1}")
        rest = np.setdiff1d(np.arange(len(labelled.features)), block)
        model = _fitted(fit, labelled, rest)
        decoded[block] = decode(model, labelled.features[block])
    scores = direction_scores(labelled, decoded)
    _check_above_chance(scores, settings)
    progress(0.85, "fitting to all bins")
    model = _fitted(fit, labelled, np.arange(len(labelled.features)))
    return Calibrated(model, settings.model_dump(mode="json"), scores, n_trials)


def refresh_cursor(
    settings: KinematicSettings, calibration: CalibrationData, *, fit: Fit
) -> FittedModel:
    """Fit to what there is so far, for use while the calibration goes on; see `calibrate_cursor`.

    Raises
    ------
    CalibrationError
        It says too little yet, or nothing that could be used.
    """
    check_channels_live(calibration.spec, calibration.samples)
    labelled = labelled_bins(settings, calibration)
    return _fitted(fit, labelled, np.arange(len(labelled.features)))


def labelled_bins(settings: KinematicSettings, calibration: CalibrationData) -> Labelled:
    """Give the bins in which it is known what was meant.

    Raises
    ------
    CalibrationError
        No event names a target's position, or nothing tells where the cursor was.
    """
    rate_hz = regular_rate(calibration.spec, settings.kind)
    size = samples_per_step(settings.step_s, rate_hz, settings.kind)
    bins = Bins(size, calibration.spec.n_channels, settings.step_value)
    rows = list(bins.feed(Chunk(calibration.samples, calibration.times)))
    features, times = np.array([row for row, _ in rows]), np.array([time for _, time in rows])
    targets = [e for e in calibration.events if "position" in e.data and e.name not in _NO_TARGETS]
    if not targets or not rows:
        raise CalibrationError(
            "no-trials",
            f"no event names a target's position: {len(calibration.events)} events came",
        )
    cursor_times, cursor = _cursor(calibration, settings)
    onsets, places, radii = _targets(targets, cursor.shape[1])
    reaction_s = float(calibration.options.get("reaction_s", _REACTION_S))
    trials = np.searchsorted(onsets + reaction_s, times, side="right") - 1
    inside = (times >= cursor_times[0]) & (times <= cursor_times[-1]) if len(cursor_times) else None
    usable = (trials >= 0) & np.isfinite(features).all(axis=1)
    usable &= np.False_ if inside is None else inside
    features, times, trials = features[usable], times[usable], trials[usable]
    positions = np.column_stack([np.interp(times, cursor_times, one) for one in cursor.T])
    held = np.linalg.norm(places[trials] - positions, axis=1) <= radii[trials]
    aimed = aimed_velocities(
        positions,
        places[trials],
        held,
        speed=float(calibration.options.get("speed") or _SPEED),
        slowing_s=float(calibration.options.get("slowing_s") or _SLOWING_S),
    )
    return Labelled(features, positions, aimed, trials.astype(np.int64), times)


def _targets(events: list[Event], n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give when each target was shown, where, and its radius."""
    events = sorted(events, key=lambda event: event.time)
    try:
        places = np.array([event.data["position"] for event in events], dtype=np.float64)
        radii = np.array([event.data.get("radius", 0.0) for event in events], dtype=np.float64)
    except (TypeError, ValueError):
        places, radii = np.empty(0), np.empty(0)
    if places.shape != (len(events), n) or not np.isfinite(places).all():
        raise CalibrationError(
            "no-trials", f"the position of a target must be {n} numbers, as the cursor's"
        )
    return np.array([event.time for event in events]), places, radii


def _cursor(
    calibration: CalibrationData, settings: KinematicSettings
) -> tuple[FloatArray, FloatArray]:
    """Give where the cursor was that the person saw, and when."""
    shown = sorted(
        (e for e in calibration.events if e.name == CURSOR and "position" in e.data),
        key=lambda event: event.time,
    )
    if not shown:
        if not len(calibration.cursor_times):
            raise CalibrationError(
                "no-trials",
                f"{settings.kind} is calibrated on where the cursor was: the session decoded none, "
                f"and no event named {CURSOR!r} tells of one",
            )
        return calibration.cursor_times, calibration.cursor_positions
    try:
        places = np.array([event.data["position"] for event in shown], dtype=np.float64)
    except (TypeError, ValueError):
        places = np.empty(0)
    if places.ndim != 2 or not np.isfinite(places).all():
        raise CalibrationError(
            "no-trials", "the cursor's positions must be numbers, equally many in each"
        )
    return np.array([event.time for event in shown]), places


def _fitted(fit: Fit, labelled: Labelled, rows: npt.NDArray[np.int64]) -> FittedModel:
    try:
        return fit(labelled.features[rows], labelled.velocities[rows], labelled.positions[rows])
    except DecodeError as error:
        raise CalibrationError("cannot-be-fitted", error.message, **error.fields) from None


def direction_scores(labelled: Labelled, decoded: FloatArray) -> dict[str, Any]:
    """Score decoded velocities: in how many trials the direction was right, and correlations."""
    aimed = labelled.velocities
    right = []
    for trial in np.unique(labelled.trials):
        rows = (labelled.trials == trial) & (np.linalg.norm(aimed, axis=1) > 0)
        if rows.any():
            right.append(float((decoded[rows] * aimed[rows]).sum()) > 0)
    n_right, n = sum(right), len(right)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = [
            float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else 0.0
            for one, other in zip(aimed.T, decoded.T, strict=True)
        ]
    return {
        "accuracy": n_right / n if n else 0.0,
        "interval": list(accuracy_interval(n_right, n)),
        "chance": 0.5,
        "n_trials": n,
        "n_right": n_right,
        "n_bins": len(aimed),
        "correlation": correlation,
    }


def _check_above_chance(scores: dict[str, Any], settings: KinematicSettings) -> None:
    right, n = scores["n_right"], scores["n_trials"]
    by_chance = luck(right, n, 0.5)
    if by_chance > MOST_CHANCE:
        check_enough_to_tell(n, 0.5)
        raise CalibrationError(
            "not-above-chance",
            f"{settings.kind}: this calibration is not above chance: in {right} of {n} trials the "
            f"direction was right, and guessing does as well in {100 * by_chance:.2g} % of cases",
            right=right,
            n_trials=n,
        )
