"""How good each channel is, from its last second: flat, saturated, line noise, amplitude.

`SignalQuality.add` only copies a chunk into a ring. `SignalQuality.update`, called about once a
second when there is time, looks at the ring: nothing here stands between a sample and its intent.
`SignalQuality.glance`, called more often, looks for flat and saturated channels alone, in the
newest half second, so that they are told of within a second.

Each number is of the raw signal, as it came from the inlet. A device that sends impedances beside
its signal, as channels in ohms, has the newest of them shown at the channel of the same name.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.plausibility import Plausibility

WINDOW_S = 1.0
VERDICT_S = 0.5
"""How much of the newest signal is looked at for what is flat or saturated."""

LINE_HZ = (50.0, 60.0)

#: A faster signal is thinned out to about this rate. That folds high frequencies into low ones, and
#: leaves amplitudes, extremes and stillness as they are.
_MOST_RATE_HZ = 2000.0
#: Most values that are looked at in one go; a larger signal is looked at some channels at a time.
_MOST_VALUES = 1 << 17

_FLAT_UV = 0.1
#: A second that lacks more than this share of a channel says nothing of what the signal is like.
_MOST_MISSING = 0.05
#: An amplifier at its end gives the same extreme value again and again.
_SATURATED_SHARE = 0.05
_LEAST_REPEATS = 4
_LINE_BAND_HZ = 1.5
_OHMS = {"ohm": 1e-3, "ohms": 1e-3, "ω": 1e-3, "kohm": 1.0, "kohms": 1.0, "kω": 1.0}
_IMPEDANCE_NAME = re.compile(r"[\s_.:-]*(imp|impedance|z)$", re.IGNORECASE)


class SignalQuality:
    """Watch the channels of one signal.

    Parameters
    ----------
    spec
        The signal as the inlet gives it.
    range_uv
        What the amplifier can show, plus and minus; None when it is not known.
    positions : ndarray, shape (n_channels, 3), optional
        Places of the electrodes on the unit sphere, NaN where one is not known; see
        `volition.streams.signal.plausibility`.
    """

    def __init__(
        self,
        spec: SignalSpec,
        *,
        range_uv: float | None = None,
        positions: FloatArray | None = None,
    ) -> None:
        self._spec = spec
        self._range_uv = range_uv
        self._stride = max(1, math.ceil(spec.rate_hz / _MOST_RATE_HZ))
        self._n_skipped = 0
        rate_hz = (spec.rate_hz or 256.0) / self._stride
        self._capacity = max(16, math.ceil(WINDOW_S * rate_hz))
        self._ring = np.full((self._capacity, spec.n_channels), np.nan)
        self._newest = max(8, math.ceil(VERDICT_S * rate_hz))
        self._place = self._n_new = self._n_unseen = 0
        self._n_at_once = max(1, _MOST_VALUES // self._capacity)
        self._next_channel = 0
        self._impedances = _impedance_channels(spec)
        self._report: list[dict[str, Any]] = []
        window = np.hanning(self._capacity)
        self._window = window[:, np.newaxis] / np.sqrt(np.mean(window**2))
        frequencies: FloatArray = np.fft.rfftfreq(self._capacity, 1.0 / rate_hz).astype(np.float64)
        self._plausibility: Plausibility | None = None
        # A thinned-out signal's high frequencies are folded, and of a large one not all is seen.
        if spec.rate_hz and self._stride == 1 and self._n_at_once >= spec.n_channels:
            places = np.full((spec.n_channels, 3), np.nan) if positions is None else positions
            self._plausibility = Plausibility(spec, places, frequencies)
        self._lines = [
            np.abs(frequencies - line) <= _LINE_BAND_HZ
            for line in LINE_HZ
            if spec.rate_hz and line + _LINE_BAND_HZ < spec.rate_hz / 2
        ]

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk, its last second at most, as many channels as the spec has."""
        samples = chunk.samples[:, : self._spec.n_channels]
        if self._stride > 1:
            first_kept = -self._n_skipped % self._stride
            self._n_skipped = (self._n_skipped + len(chunk)) % self._stride
            samples = samples[first_kept :: self._stride]
        n, capacity = len(samples), self._capacity
        if n >= capacity:
            samples, n = samples[-capacity:], capacity
        place = self._place
        first = min(n, capacity - place)
        self._ring[place : place + first] = samples[:first]
        if first < n:
            self._ring[: n - first] = samples[first:]
        self._place = (place + n) % capacity
        self._n_new += n
        self._n_unseen += n

    def glance(self) -> None:
        """Look at the newest half second for channels that are flat or saturated.

        With many channels this and `update` look at some of them each time, in turn; for the others
        what was said before stands.
        """
        if not self._n_unseen or not self._report:
            return
        channels = self._take_channels()
        flat, saturated = self._verdicts(self._recent(channels)[-self._newest :], channels)
        for i, channel in enumerate(self._report[channels]):
            channel["flat"], channel["saturated"] = bool(flat[i]), bool(saturated[i])

    def update(self) -> None:
        """Look at the last second; without new samples what was said before stands."""
        if not self._n_new:
            return
        self._n_new = 0
        # The first look is at all.
        channels = self._take_channels() if self._report else slice(0, self._spec.n_channels)
        recent = self._recent(channels)
        finite = np.isfinite(recent)
        centred = np.where(finite, recent - _mean(recent, finite), 0.0)
        n_good = np.maximum(finite.sum(axis=0), 1)
        rms = np.sqrt((centred**2).sum(axis=0) / n_good)
        flat, saturated = self._verdicts(recent[-self._newest :], channels)
        spectrum = np.fft.rfft(centred * self._window, axis=0)
        line = self._line_share(spectrum)
        missing = 1.0 - finite.mean(axis=0)
        self._report[channels] = [
            {
                "label": label,
                "flat": bool(flat[i]),
                "saturated": bool(saturated[i]),
                "line_noise": round(float(line[i]), 4),
                "rms": round(float(rms[i]), 3),
                "missing": round(float(missing[i]), 4),
                "impedance_kohm": None,
            }
            for i, label in enumerate(self._spec.labels[channels])
        ]
        if self._plausibility is not None and missing.max(initial=0.0) < _MOST_MISSING:
            amplitudes = spectrum * (np.sqrt(2.0) / self._capacity)
            self._plausibility.add(amplitudes, rms < _FLAT_UV / 4)
        for of, (channel, kohms_per_unit) in self._impedances.items():
            newest = self._ring[self._place - 1, channel]
            if np.isfinite(newest):
                self._report[of]["impedance_kohm"] = round(float(newest) * kohms_per_unit, 3)

    def _take_channels(self) -> slice:
        """Give the channels whose turn it is."""
        start = self._next_channel
        end = min(start + self._n_at_once, self._spec.n_channels)
        self._next_channel = end % self._spec.n_channels
        return slice(start, end)

    def _recent(self, channels: slice) -> FloatArray:
        self._n_unseen = 0
        ring = self._ring[:, channels]
        return np.concatenate([ring[self._place :], ring[: self._place]])

    def _verdicts(
        self, newest: FloatArray, channels: slice
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Say of each channel whether it is flat and whether it is saturated."""
        finite = np.isfinite(newest)
        low = np.where(finite, newest, np.inf).min(axis=0)
        high = np.where(finite, newest, -np.inf).max(axis=0)
        flat = finite.any(axis=0) & (high - low < _FLAT_UV)
        return flat, self._saturated(newest, finite, low, high, channels) & ~flat

    def _saturated(
        self,
        recent: FloatArray,
        finite: npt.NDArray[np.bool_],
        low: FloatArray,
        high: FloatArray,
        channels: slice,
    ) -> npt.NDArray[np.bool_]:
        least = max(_LEAST_REPEATS, round(_SATURATED_SHARE * self._capacity))
        at_end = np.maximum((recent == high).sum(axis=0), (recent == low).sum(axis=0)) >= least
        if self._range_uv is not None:
            beyond: npt.NDArray[np.bool_] = np.maximum(high, -low) >= self._range_uv
            at_end = at_end | beyond
        # What is no voltage has no amplifier that could be at its end.
        voltages = np.array([unit == "microvolts" for unit in self._spec.units[channels]])
        result: npt.NDArray[np.bool_] = at_end & voltages & finite.any(axis=0)
        return result

    def _line_share(self, spectrum: npt.NDArray[np.complex128]) -> FloatArray:
        """Share of the power that lies at 50 or at 60 Hz, whichever is more."""
        if not self._lines:
            return np.zeros(spectrum.shape[1])
        power = np.abs(spectrum) ** 2
        total = power[1:].sum(axis=0)
        shares = np.stack([power[line].sum(axis=0) for line in self._lines])
        share: FloatArray = shares.max(axis=0) / np.where(total > 0, total, 1.0)
        return share

    def report(self) -> list[dict[str, Any]]:
        """Give, for each channel, what the last update saw; empty before the first.

        ``flat`` and ``saturated`` are verdicts; ``line_noise`` is a share of the power, ``rms`` is
        in the channel's unit without its mean, ``missing`` is a share of the second, and
        ``impedance_kohm`` is null where the device sends none.
        """
        return self._report

    def plausibility(self) -> dict[str, Any] | None:
        """Give whether the signal can be what it says it is; see `Plausibility.report`."""
        return None if self._plausibility is None else self._plausibility.report()


def _mean(recent: FloatArray, finite: npt.NDArray[np.bool_]) -> FloatArray:
    total: FloatArray = np.where(finite, recent, 0.0).sum(axis=0)
    mean: FloatArray = total / np.maximum(finite.sum(axis=0), 1)
    return mean


def _impedance_channels(spec: SignalSpec) -> dict[int, tuple[int, float]]:
    """Find the channels that hold impedances, and the channel that each is of."""
    found: dict[int, tuple[int, float]] = {}
    for index, (label, unit) in enumerate(zip(spec.labels, spec.units, strict=True)):
        kohms = _OHMS.get(unit.strip().lower().replace("\u2126", "ω"))
        if kohms is None:
            continue
        electrode = _IMPEDANCE_NAME.sub("", label)
        others = [i for i, other in enumerate(spec.labels) if other == electrode and i != index]
        found[others[0] if others else index] = (index, kohms)
    return found
