"""What a calibration saw: the features of its trials, and where its sessions lay.

The signal runs through the windows of the live decoder (`volition.decoders.classes.windows`),
session by session, so that what is learned is what will be seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from volition.chunk import Chunk, Event, FloatArray
from volition.decoders.artifacts.averages import riemannian_mean
from volition.decoders.classes.centre import RunningCentre, recentred
from volition.decoders.classes.method import ClassMethod, IntArray
from volition.decoders.classes.settings import ClassSettings
from volition.decoders.classes.windows import centre_step, make_windows
from volition.decoders.fitting.calibration import CalibrationData

#: Between the windows of one trial that a decoder of sliding windows learns from, seconds.
TRIAL_STEP_S = 0.5
#: A longer step of the stamps is a gap, and the filters begin anew behind it, seconds.
LONGEST_STEP_S = 0.2
#: Data of the event that begins a trial: its class, under either name.
KEYS = ("class", "target")


class Asked(NamedTuple):
    """A trial: when it began, which class it asked for, and for how long."""

    onset: float
    place: int
    lasted_s: float


def class_of(event: Event, classes: Sequence[str]) -> int | None:
    """Give the index of the class that an event's data name; None where they name none."""
    for key in KEYS:
        named = event.data.get(key)
        if named in classes:
            return classes.index(named)
    return None


def trials_of(calibration: CalibrationData, settings: ClassSettings) -> list[Asked]:
    """Give the trials, in order of time; each lasts until the next event or its session's end."""
    events = sorted(calibration.events, key=lambda event: event.time)
    newest = float(calibration.times[-1]) if len(calibration.times) else -np.inf
    starts = np.array([*calibration.starts[1:], np.inf])
    found = []
    for number, event in enumerate(events):
        place = class_of(event, settings.classes)
        if place is None:
            continue
        later = (one.time for one in events[number + 1 :] if one.time > event.time)
        session_end = float(starts[np.searchsorted(starts, event.time, side="right")])
        end = min(next(later, np.inf), session_end, newest)
        found.append(Asked(event.time, place, end - event.time))
    return found


@dataclass(frozen=True, eq=False)
class Observed:
    """Windows of trials.

    Attributes
    ----------
    features : ndarray, shape (n_windows, ...)
    classes, trials, sessions : ndarray of int, shape (n_windows,)
        Number of each window's class, trial and session; windows of a trial follow each other.
    centres : ndarray, shape (n_windows, n_bands, n_channels, n_channels)
        Centre of the session until the window's end; empty for features that are no covariances.
    session_centres : ndarray, shape (n_sessions, n_bands, n_channels, n_channels)
        Centre of each whole session.
    recordings
        Which recording of the calibration each session is: those without a window are none.
    n_dropped
        Trials without a whole window.
    """

    features: FloatArray
    classes: IntArray
    trials: IntArray
    sessions: IntArray
    centres: FloatArray
    session_centres: FloatArray
    recordings: tuple[int, ...]
    n_dropped: int

    def recentred_by_session(self) -> FloatArray:
        """Give the features whitened by their whole session's centre: what a fit learns from."""
        return np.stack(
            [
                recentred(one, self.session_centres[session])
                for one, session in zip(self.features, self.sessions, strict=True)
            ]
        )

    def recentred_so_far(self) -> FloatArray:
        """Give the features whitened by their session's centre until then: what will be seen."""
        return np.stack(
            [
                recentred(one, centre)
                for one, centre in zip(self.features, self.centres, strict=True)
            ]
        )


def observe(
    method: ClassMethod[Any],
    calibration: CalibrationData,
    channels: Sequence[int],
    trials: Sequence[Asked],
    *,
    trial_step_s: float | None = None,
) -> Observed:
    """Cut the windows of trials out of a calibration's signal.

    Parameters
    ----------
    channels
        Places of the channels that are used.
    trials
        In order of time.
    trial_step_s
        From window to window within a trial; when left out as the live decoder is used, one after a
        marker, or every `TRIAL_STEP_S` where windows slide.
    """
    if trial_step_s is None and method.settings.trigger == "sliding":
        trial_step_s = TRIAL_STEP_S
    found = _Windows()
    session_centres = []
    for session, rows in enumerate(sessions_of(calibration)):
        times = calibration.times[rows]
        samples = np.ascontiguousarray(calibration.samples[rows][:, channels])
        within = {
            number: one
            for number, one in enumerate(trials)
            if len(times) and times[0] <= one.onset <= times[-1]
        }
        of_session = _session(method, Chunk(samples, times), within, trial_step_s)
        if of_session.features:
            found.add(of_session, session)
            if method.of_covariances:
                session_centres.append(of_session.centre())
    if not found.features:
        empty = np.empty(0, np.int64)
        nothing = np.empty((0, 0, 0, 0))
        return Observed(nothing, empty, empty, empty, nothing, nothing, (), len(trials))
    of_covariances = method.of_covariances
    return Observed(
        np.stack(found.features),
        np.array(found.classes),
        np.array(found.trials),
        np.array(found.sessions),
        np.stack(found.centres) if of_covariances else np.empty((0, 0, 0, 0)),
        np.stack(session_centres) if of_covariances else np.empty((0, 0, 0, 0)),
        tuple(found.recordings),
        len(trials) - len(set(found.trials)),
    )


class _Windows:
    """Windows as they are found; those that no marker asked for in ``between``."""

    def __init__(self) -> None:
        self.features: list[FloatArray] = []
        self.classes: list[int] = []
        self.trials: list[int] = []
        self.sessions: list[int] = []
        self.centres: list[FloatArray] = []
        self.between: list[FloatArray] = []
        self.recordings: list[int] = []

    def add(self, other: _Windows, session: int) -> None:
        """Take up a session's; sessions without any have no number."""
        self.features += other.features
        self.classes += other.classes
        self.trials += other.trials
        self.centres += other.centres
        self.sessions += [len(self.recordings)] * len(other.features)
        self.recordings.append(session)

    def centre(self) -> FloatArray:
        """Give the mean covariance of each band."""
        seen = np.stack(self.between or self.features)
        return np.stack([riemannian_mean(band, 1e-5) for band in seen.swapaxes(0, 1)])


def _session(
    method: ClassMethod[Any],
    signal: Chunk,
    trials: Mapping[int, Asked],
    trial_step_s: float | None,
) -> _Windows:
    """Find the windows of a session's trials, by their number."""
    settings, times = method.settings, signal.times
    windows = make_windows(method, signal.samples.shape[1], step_samples=centre_step(method))
    centre, found = RunningCentre(), _Windows()
    for rows in _stretches(times):
        windows.reset()
        numbers = [0]
        for number, one in trials.items():
            if times[rows.start] <= one.onset <= times[rows.stop - 1]:
                for due in _dues(one, settings, trial_step_s):
                    windows.ask(one.onset, due)
                    numbers.append(number)
        for epoch in windows.feed(Chunk(signal.samples[rows], times[rows])):
            if epoch.filtered is None:
                continue
            feature = method.feature(epoch.filtered)
            if epoch.t_trigger is None:
                if method.of_covariances:
                    centre.take(feature)
                    found.between.append(feature)
                continue
            number = numbers[epoch.number]
            found.features.append(feature)
            found.trials.append(number)
            found.classes.append(trials[number].place)
            found.centres.append(centre.mean if centre.n_windows else feature)
    return found


def sessions_of(calibration: CalibrationData) -> list[slice]:
    """Give the rows of each recording of a calibration."""
    starts = [*calibration.starts, np.inf] if calibration.starts else [-np.inf, np.inf]
    places = np.searchsorted(calibration.times, starts).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(places)]


def _stretches(times: FloatArray) -> list[slice]:
    """Give the stretches of samples without a gap."""
    if not len(times):
        return []
    cuts = np.flatnonzero(np.abs(np.diff(times)) > LONGEST_STEP_S) + 1
    ends = [0, *cuts.tolist(), len(times)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def _dues(trial: Asked, settings: ClassSettings, step_s: float | None) -> list[float]:
    """Give when the windows of a trial begin: one, or several by a step."""
    first = trial.onset + settings.delay_s
    spare = trial.lasted_s - settings.delay_s - settings.window_s
    if spare < -0.05:
        return []
    if step_s is None:
        return [first]
    return [first + k * step_s for k in range(int(max(0.0, spare) / step_s) + 1)]
