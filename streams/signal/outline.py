"""A signal's outline for a screen: the least and the greatest of each few samples.

A screen shows a hundred columns a second at most; what lies between two of them is drawn as a line
from its least to its greatest value, so that no spike is lost and 30 kHz costs no more than 250 Hz.
`MinMaxOutline.add` takes the signal as it comes and `take` gives the bins that are whole.
Where the signal is cut makes no difference. A bin never spans a gap: what was begun before it is
left out. Missing samples are passed over; a bin of nothing else is NaN.
"""

from __future__ import annotations

import math
import struct
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from volition.chunk import Chunk, FloatArray, SignalSpec

BINS_HZ = 100.0
"""Most bins a second."""

_HEADER = struct.Struct("<BBHI")
_VERSION = 1
Source = Literal["cleaned", "raw"]
SOURCES: tuple[Source, ...] = ("cleaned", "raw")


class Bins(NamedTuple):
    """Bins of a signal.

    Attributes
    ----------
    times : ndarray of float64, shape (n_bins,)
        LSL time of each bin's last sample, seconds.
    lows, highs : ndarray of float32, shape (n_bins, n_channels)
        In the signal's units.
    """

    times: FloatArray
    lows: npt.NDArray[np.float32]
    highs: npt.NDArray[np.float32]


class MinMaxOutline:
    """Bins the samples of one signal.

    Parameters
    ----------
    spec
        The signal. One of no fixed rate has a bin for each sample.
    bins_hz
        Most bins a second.
    """

    def __init__(self, spec: SignalSpec, bins_hz: float = BINS_HZ) -> None:
        self.samples_per_bin = max(1, math.ceil(spec.rate_hz / bins_hz))
        # Stamps jitter; half a bin more than was due is no jitter.
        self._longest_step_s = (
            (0.5 * self.samples_per_bin + 1.0) / spec.rate_hz if spec.rate_hz else math.inf
        )
        self._samples = np.empty((0, spec.n_channels))
        self._times = np.empty(0)
        self._n_channels = spec.n_channels
        self._lows: list[FloatArray] = []
        self._highs: list[FloatArray] = []
        self._ends: list[FloatArray] = []

    def add(self, chunk: Chunk) -> None:
        """Take the next samples."""
        if not len(chunk):
            return
        times = np.concatenate([self._times[-1:], chunk.times])
        breaks = np.flatnonzero(np.abs(np.diff(times)) > self._longest_step_s)
        offset = len(self._times[-1:])
        start = 0
        for stop in [*(breaks + 1 - offset), len(chunk)]:
            if stop > start:
                self._add_run(chunk.samples[start:stop], chunk.times[start:stop])
            if stop < len(chunk):
                self._samples, self._times = self._samples[:0], self._times[:0]
            start = stop

    def _add_run(self, samples: FloatArray, times: FloatArray) -> None:
        """Take samples that follow on those before."""
        samples = np.concatenate([self._samples, samples])
        times = np.concatenate([self._times, times])
        m = self.samples_per_bin
        whole = len(samples) // m * m
        if whole:
            bins = samples[:whole].reshape(-1, m, self._n_channels)
            self._lows.append(np.fmin.reduce(bins, axis=1))
            self._highs.append(np.fmax.reduce(bins, axis=1))
            self._ends.append(times[m - 1 : whole : m])
        self._samples, self._times = samples[whole:], times[whole:]

    def take(self) -> Bins | None:
        """Give the bins that became whole since the last time; None when there are none."""
        if not self._ends:
            return None
        with np.errstate(over="ignore"):
            bins = Bins(
                np.concatenate(self._ends),
                np.concatenate(self._lows).astype(np.float32),
                np.concatenate(self._highs).astype(np.float32),
            )
        self._ends, self._lows, self._highs = [], [], []
        return bins


def encode_bins(bins: Bins, source: Source) -> bytes:
    """Write bins as they are sent: a header, then times, lows and highs, all little-endian.

    The header is a version (uint8), the place of ``source`` in `SOURCES` (uint8), the numbers of
    channels (uint16) and of bins (uint32). Times are float64, the rest float32, bin by bin.
    """
    n_bins, n_channels = bins.lows.shape
    return b"".join(
        (
            _HEADER.pack(_VERSION, SOURCES.index(source), n_channels, n_bins),
            bins.times.astype("<f8").tobytes(),
            bins.lows.astype("<f4").tobytes(),
            bins.highs.astype("<f4").tobytes(),
        )
    )


def decode_bins(payload: bytes) -> tuple[Bins, Source]:
    """Read what `encode_bins` wrote.

    Raises
    ------
    ValueError
        It is something else.
    """
    if len(payload) < _HEADER.size:
        raise ValueError(f"a frame of bins has a header of {_HEADER.size} bytes")
    version, source, n_channels, n_bins = _HEADER.unpack_from(payload)
    needed = _HEADER.size + n_bins * (8 + 8 * n_channels)
    if version != _VERSION or source >= len(SOURCES) or len(payload) != needed:
        raise ValueError(f"not a frame of bins: version {version}, {len(payload)} bytes")
    times = np.frombuffer(payload, "<f8", n_bins, _HEADER.size).astype(float)
    at = _HEADER.size + 8 * n_bins
    values = np.frombuffer(payload, "<f4", 2 * n_bins * n_channels, at).astype(np.float32)
    lows, highs = values.reshape(2, n_bins, n_channels)
    return Bins(times, lows, highs), SOURCES[source]


def source_of(payload: bytes) -> Source:
    """Tell what a frame of bins is of, by its header alone."""
    return SOURCES[payload[1]]
