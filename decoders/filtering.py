"""The one recursive filter that every stage and filter bank runs: causal, exact however cut.

A filter is a cascade of second-order sections whose state is carried from chunk to chunk, so a
signal cut anywhere gives the same bits as the signal whole. Each channel starts in the steady
state of its first sample: a large offset makes no transient. A missing sample (NaN, infinite or
beyond all measure) is fed as the channel's last good value and comes out as NaN; the state never
sees it.

Samples are worked on as ``(n_channels, n_samples)`` rows. `SosFilter.process` takes and gives
``(n_samples, n_channels)``, and what it gives is a transposed view of such rows, so a chain of
filters copies once and then works in place.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError

BoolArray = npt.NDArray[np.bool_]

#: What is larger counts as missing: its square could overflow, and a filter would never recover.
LARGEST = 1e100

SosRunner = Callable[[FloatArray, FloatArray, FloatArray], None]


def run_public(sos: FloatArray, rows: FloatArray, state: FloatArray) -> None:
    """Filter ``rows`` in place and move ``state`` on, by SciPy's public function.

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
        Second-order sections as SciPy designs them.
    rows : ndarray, shape (n_channels, n_samples)
        The signal; overwritten by the result.
    state : ndarray, shape (n_channels, n_sections, 2)
        State of the direct form II transposed sections; overwritten.
    """
    result, after = scipy.signal.sosfilt(sos, rows, axis=-1, zi=state.transpose(1, 0, 2))
    rows[...] = result
    state[...] = after.transpose(1, 0, 2)


@functools.cache
def sos_runner() -> SosRunner:
    """Give the fastest way to run sections in place.

    The public ``sosfilt`` spends some 26 µs a call on checking its arguments; the compiled loop
    below it takes 1 to 5. That loop has a private name, so it is used only where it is found and
    does on a small signal exactly what the public function does.
    """
    try:
        module = importlib.import_module("scipy.signal._sosfilt")
        private: SosRunner = vars(module)["_sosfilt"]
    except (ImportError, KeyError):
        return run_public
    sos = scipy.signal.butter(2, 0.25, output="sos")
    runs = []
    for run in (private, run_public):
        rows, state = np.sin(np.arange(10.0)).reshape(2, 5), np.ones((2, len(sos), 2))
        try:
            run(sos, rows, state)
        except (TypeError, ValueError):
            return run_public
        runs.append((rows, state))
    same = all(np.array_equal(ours, theirs) for ours, theirs in zip(*runs, strict=True))
    return private if same else run_public


class Hold:
    """Fills missing samples with the last good value of their channel.

    After `fill`, ``starts`` says where channels saw their first good sample: None when every
    channel had one before, else one index a channel, -1 for a channel that started before and
    ``n_samples`` for one that has not started yet. What lies before a start is filled with 0.
    """

    def __init__(self, n_channels: int) -> None:
        self._last = np.full(n_channels, np.nan)
        self._all_started = False
        self.starts: npt.NDArray[np.intp] | None = None

    def reset(self) -> None:
        self._last[:] = np.nan
        self._all_started = False
        self.starts = None

    def fill(self, rows: FloatArray) -> BoolArray | None:
        """Fill ``rows`` (n_channels, n_samples) in place; say what was missing, None if nothing."""
        flat = rows.reshape(-1)
        # A sum of squares is one pass and no array of truths. It is NaN where one is missing, and
        # may overflow, of which `dot` warns on some processors and `vdot` on none.
        whole = np.vdot(flat, flat) < LARGEST**2
        good = None if whole else np.abs(rows) < LARGEST  # false for NaN too
        if good is None or good.all():
            if self._all_started:
                self.starts = None
            else:
                self.starts = np.where(np.isnan(self._last), 0, -1)
                self._all_started = True
            self._last[:] = rows[:, -1]
            return None
        n_samples = rows.shape[1]
        newest_good = np.maximum.accumulate(np.where(good, np.arange(n_samples), -1), axis=1)
        held = np.take_along_axis(rows, np.maximum(newest_good, 0), axis=1)
        before = np.isnan(self._last)
        rows[...] = np.where(newest_good >= 0, held, np.where(before, 0.0, self._last)[:, None])
        if before.any():
            first_good = np.where(good.any(axis=1), good.argmax(axis=1), n_samples)
            self.starts = np.where(before, first_good, -1)
        else:
            self.starts = None
        self._last = np.where(newest_good[:, -1] >= 0, rows[:, -1], self._last)
        self._all_started = not np.isnan(self._last).any()
        missing: BoolArray = ~good
        return missing


class SectionState:
    """Sections and their state, for rows that hold no missing sample (see `Hold`).

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
        Second-order sections, stable and with no pole at 0 Hz.
    n_channels
        How many rows are filtered.
    """

    def __init__(self, sos: FloatArray, n_channels: int) -> None:
        self._sos = np.ascontiguousarray(sos, dtype=np.float64)
        self._steady = np.ascontiguousarray(scipy.signal.sosfilt_zi(self._sos))
        self._state = np.zeros((n_channels, len(self._sos), 2))
        self._run = sos_runner()

    def reset(self) -> None:
        self._state[...] = 0.0

    def run(self, rows: FloatArray, starts: npt.NDArray[np.intp] | None) -> None:
        """Filter C-contiguous ``rows`` (n_channels, n_samples) in place.

        ``starts`` is what `Hold` gave for these rows.
        """
        if starts is None:
            self._run(self._sos, rows, self._state)
            return
        n_samples = rows.shape[1]
        for channel, start in enumerate(starts.tolist()):
            if start == n_samples:  # not started: its rows are 0 and its state stays untouched
                continue
            first = max(start, 0)
            if start >= 0:
                self._state[channel] = self._steady * rows[channel, first]
            one = slice(channel, channel + 1)
            self._run(self._sos, rows[one, first:], self._state[one])


class SosFilter:
    """A causal filter over chunks, with its state and its way with missing samples.

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
        Second-order sections.
    n_channels
        Channels of the signal.
    """

    def __init__(self, sos: FloatArray, n_channels: int) -> None:
        self._hold = Hold(n_channels)
        self._sections = SectionState(sos, n_channels)

    def reset(self) -> None:
        self._hold.reset()
        self._sections.reset()

    def process(self, samples: FloatArray) -> FloatArray:
        """Filter the next ``samples`` (n_samples, n_channels), in place where the layout allows."""
        rows = samples.T
        if not rows.size:
            return samples
        flags = rows.flags
        if not (flags.c_contiguous and flags.writeable):
            rows = rows.copy(order="C")
        missing = self._hold.fill(rows)
        self._sections.run(rows, self._hold.starts)
        if missing is not None:
            rows[missing] = np.nan
        return rows.T


def regular_rate(spec: SignalSpec, who: str) -> float:
    """Give the spec's rate in Hz; raise `ConfigError` when ``who`` cannot do without one."""
    if not spec.rate_hz > 0:
        raise ConfigError(
            f"{who} needs a regularly sampled signal, and the stream names no sampling rate "
            f"(found {spec.rate_hz:g} Hz)",
            found=spec.rate_hz,
        )
    return spec.rate_hz


def check_below_half_rate(who: str, setting: str, freq_hz: float, rate_hz: float) -> None:
    """Raise `ConfigError` unless ``freq_hz`` can be told apart at ``rate_hz``."""
    if not 0 < freq_hz < rate_hz / 2:
        raise ConfigError(
            f"{who}: {setting} is {freq_hz:g} Hz; at {rate_hz:g} Hz it must be above 0 and below "
            f"half the rate, {rate_hz / 2:g} Hz",
            setting=setting,
            found=freq_hz,
            allowed_below=rate_hz / 2,
        )
