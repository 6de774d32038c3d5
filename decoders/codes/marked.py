"""The trials of a calibration: what was asked for, what was flashed, and the filtered signal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy

from volition.chunk import Event, FloatArray
from volition.decoders.codes.markers import Flash, read_flash, was_asked
from volition.decoders.codes.ring import LARGEST_LAG_S
from volition.decoders.codes.sequences import BoolArray
from volition.decoders.codes.settings import REST, CodedSettings
from volition.decoders.filtering import SosFilter, regular_rate
from volition.decoders.fitting.calibration import CalibrationData, CalibrationError

#: What a trial's target is where nothing was attended, or where it is not said what.
AT_REST: Literal["rest"] = "rest"
UNKNOWN: Literal["unknown"] = "unknown"
#: Trials are dropped for a gap; more than this share of them, and the signal is too bad.
MOST_DROPPED = 0.25


@dataclass(slots=True, eq=False)
class MarkedFlash:
    """A flash of a calibration; ``asked``: whether it held what was asked for, if that is known."""

    time: float
    flash: Flash
    asked: bool | None


@dataclass(slots=True, eq=False)
class MarkedTrial:
    """What was asked for from an onset on.

    Attributes
    ----------
    onset, end
        LSL times, seconds.
    target
        Place of the item, `AT_REST`, or `UNKNOWN` where only the flashes say something.
    flashes
        In order of time; none where steps follow the onset at a rate.
    """

    onset: float
    target: int | Literal["rest", "unknown"]
    end: float
    flashes: list[MarkedFlash] = field(default_factory=list)

    @property
    def says_of_flashes(self) -> bool:
        """Whether flashes say by themselves whether they held what was asked for."""
        return any(flash.asked is not None for flash in self.flashes)


def trials_of(calibration: CalibrationData, settings: CodedSettings) -> list[MarkedTrial]:
    """Read the trials of a calibration, in order of time.

    Raises
    ------
    CalibrationError
        None names a target, two begin at once, or a flash names an unknown step.
    """
    trials: list[MarkedTrial] = []
    is_open = False
    newest = float(calibration.times[-1]) if len(calibration.times) else -np.inf
    for event in sorted(calibration.events, key=lambda one: one.time):
        if event.name in settings.onset_markers:
            if trials and trials[-1].onset == event.time:
                raise CalibrationError(
                    "no-trials", f"two trials begin at once, at {event.time:.3f} s"
                )
            if is_open:
                trials[-1].end = event.time
            trials.append(MarkedTrial(event.time, _target_of(event, settings.items), newest))
            is_open = True
        elif event.name in settings.end_markers and is_open:
            trials[-1].end, is_open = event.time, False
        elif settings.step_hz is None and is_open:
            trials[-1].flashes += _flashes_of(event, settings)
    known = [one for one in trials if one.target is not UNKNOWN or one.says_of_flashes]
    if not known:
        raise CalibrationError(
            "no-trials",
            f"no target is named: of {len(calibration.events)} events {len(trials)} begin a trial "
            f"({', '.join(settings.onset_markers)}), none of them with data that have target (the "
            f"label of an item, or {REST!r}), and no flash says whether it held one",
        )
    return known


def _flashes_of(event: Event, settings: CodedSettings) -> list[MarkedFlash]:
    flash = read_flash(event.name, settings.book, settings.convention)
    if flash is None:
        return []
    if flash.fault:
        raise CalibrationError("no-trials", f"at {event.time:.3f} s there is an {flash.fault}")
    asked = was_asked(event, settings.book, settings.convention)
    return [MarkedFlash(event.time, flash, asked)]


def _target_of(event: Event, items: list[str]) -> int | Literal["rest", "unknown"]:
    named = event.data.get("target")
    if named in items:
        return items.index(str(named))
    return AT_REST if named == REST else UNKNOWN


@dataclass(slots=True, eq=False)
class FilteredSignal:
    """A calibration's signal behind the decoder's band-pass.

    Attributes
    ----------
    samples : ndarray, shape (n_channels, n_samples)
    times : ndarray, shape (n_samples,)
    bad : ndarray of bool, shape (n_samples,)
        A sample is missing here, or the one before is.
    rate_hz
        Sampling rate.
    """

    samples: FloatArray
    times: FloatArray
    bad: BoolArray
    rate_hz: float

    @classmethod
    def of(cls, calibration: CalibrationData, settings: CodedSettings) -> FilteredSignal:
        """Filter; where the signal begins anew, so does the filter, as it does live."""
        rate_hz = regular_rate(calibration.spec, settings.kind)
        times = calibration.times
        band = (settings.low_hz, settings.high_hz)
        sections = scipy.signal.butter(
            settings.band_order, band, "bandpass", fs=rate_hz, output="sos"
        )
        begins = np.flatnonzero(np.diff(times, prepend=-np.inf) > 1.0)
        parts = []
        for first, stop in zip(begins, [*begins[1:], len(times)], strict=True):
            sos_filter = SosFilter(sections, calibration.spec.n_channels)
            parts.append(sos_filter.process(calibration.samples[first:stop].copy()).T)
        samples = np.concatenate(parts, axis=1) if parts else np.empty((0, 0))
        bad: BoolArray = np.logical_not(np.isfinite(samples).all(axis=0))
        bad[1:] |= np.diff(times) > 2.5 / rate_hz
        return cls(np.nan_to_num(samples), times, bad, rate_hz)

    def first_at(self, time: float) -> int | None:
        """Give the number of the first sample at or after a time; None where there is none."""
        first = int(np.searchsorted(self.times, time))
        if first == len(self.times) or self.times[first] - time > LARGEST_LAG_S:
            return None
        return first

    def between(self, first: int, stop: int) -> FloatArray | None:
        """Give samples ``first`` to ``stop``; None where one is missing or lies outside."""
        if first < 0 or stop > len(self.times) or self.bad[first + 1 : stop].any():
            return None
        return self.samples[:, first:stop]


@contextlib.contextmanager
def solvable() -> Iterator[None]:
    """Refuse a calibration whose equations have no solution."""
    try:
        yield
    except (np.linalg.LinAlgError, scipy.linalg.LinAlgWarning) as error:
        raise CalibrationError(
            "cannot-be-fitted",
            f"the signal says too little to learn from: an equation has no solution ({error})",
        ) from None


def check_dropped(n_dropped: int, n: int, what: str) -> None:
    """Refuse a calibration of which too much is missing."""
    if n_dropped > MOST_DROPPED * n:
        raise CalibrationError(
            "missing-samples", f"{n_dropped} of {n} {what} lack samples", found=n_dropped
        )
