"""Proofs that a signal is a brain's and a head's: what noise, a battery or a loose cap cannot do.

Each compares two stretches of a signal in which a person was asked to do different things (eyes
open and closed, still and blinking, still and clenching), or looks for the response to a flicker.
The figure is a ratio with its interval of 99 %; what noise gives is 1. A ratio whose interval lies
above what was chosen for the proof proves it, one whose interval lies below disproves it, and
anything else cannot tell.

Alpha that grows with closed eyes: Berger, Arch. Psychiatr. 87:527, 1929. The ratio of rates of
blinks is judged by the exact conditional test of two Poisson rates (Przyborowski and Wilenski,
Biometrika 31:313, 1940), a response in the spectrum by an F test against its neighbours (Norcia et
al., J. Vis. 15(6):4, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from volition.chunk import FloatArray, SignalSpec
from volition.streams.signal.electrodes import row_of

Verdict = Literal["yes", "no", "could not tell"]

CONFIDENCE = 0.99
#: Least ratio that proves each, chosen on simulated people whose seeds no test has.
LEAST_ALPHA, LEAST_BLINKS, LEAST_JAW, LEAST_FLICKER = 1.1, 1.0, 1.5, 1.0
_ALPHA_HZ, _AROUND_HZ = (8.0, 13.0), ((4.0, 7.0), (15.0, 25.0))
_JAW_HZ = (25.0, 45.0)
_SEGMENT_S = 1.0
_LEAST_SEGMENTS = 5
_BLINK_HZ = (1.0, 8.0)
_BLINK_DEVIATIONS, _LEAST_BLINK_UV, _BLINK_APART_S = 6.0, 40.0, 0.3
_NEIGHBOURS_HZ = 1.0
#: Squared error of a mean logarithm below which a signal does not move at all.
_STANDS_STILL = 1e-12


@dataclass(frozen=True)
class Proof:
    """What a proof found.

    Attributes
    ----------
    name
        What was tried: alpha, blink, jaw or flicker.
    verdict
        Whether it is so.
    ratio, interval
        The figure and its interval of 99 %; NaN where there was too little to tell.
    found
        The same in words.
    """

    name: str
    verdict: Verdict
    ratio: float
    interval: tuple[float, float]
    found: str


def alpha_proof(opened: FloatArray, closed: FloatArray, spec: SignalSpec) -> Proof:
    """Look for alpha that grows when the eyes are closed.

    Parameters
    ----------
    opened, closed : ndarray, shape (n_samples, n_channels)
        The signal with eyes open and closed, 10 s of each or more; NaN where samples are missing.
    spec
        Its rate and channels; those over the back of the head count where their labels say so.
    """
    back = _channels(spec, most_row=-2.0)

    def heights(samples: FloatArray) -> FloatArray:
        power, frequencies = _segments(samples[:, back], spec.rate_hz)
        peak = _band(power, frequencies, _ALPHA_HZ)
        around = np.mean([_band(power, frequencies, edges) for edges in _AROUND_HZ], axis=0)
        return np.asarray(np.log(peak / around).mean(axis=1))

    return _compared("alpha", heights(opened), heights(closed), LEAST_ALPHA, "eyes closed, alpha")


def jaw_proof(still: FloatArray, clenched: FloatArray, spec: SignalSpec) -> Proof:
    """Look for muscle that grows when the teeth are clenched; arguments as of `alpha_proof`."""
    edges = (_JAW_HZ[0], min(_JAW_HZ[1], 0.45 * spec.rate_hz))

    def loudness(samples: FloatArray) -> FloatArray:
        power, frequencies = _segments(samples, spec.rate_hz)
        return np.asarray(np.log(_band(power, frequencies, edges)).mean(axis=1))

    return _compared("jaw", loudness(still), loudness(clenched), LEAST_JAW, "clenched, muscle")


def blink_proof(still: FloatArray, blinking: FloatArray, spec: SignalSpec) -> Proof:
    """Look for blinks where they were asked for; arguments as of `alpha_proof`.

    The channels at the forehead count where labels name some, else the loudest one.
    """
    front = _channels(spec, least_row=3.0)
    sos = scipy.signal.butter(2, _BLINK_HZ, "bandpass", fs=spec.rate_hz, output="sos")

    def course(samples: FloatArray) -> FloatArray:
        filled = _filled(samples[:, front])
        filtered = np.abs(scipy.signal.sosfiltfilt(sos, filled, axis=0))
        return np.asarray(filtered.max(axis=1))

    if min(len(still), len(blinking)) < _LEAST_SEGMENTS * spec.rate_hz:
        return _untold("blink")
    before, during = course(still), course(blinking)
    least_uv = max(_LEAST_BLINK_UV, _BLINK_DEVIATIONS * float(np.median(before)) / 0.6745)
    apart = max(1, round(_BLINK_APART_S * spec.rate_hz))
    n_before, n_during = (
        len(scipy.signal.find_peaks(one, height=least_uv, distance=apart)[0])
        for one in (before, during)
    )
    total, share = n_before + n_during, len(during) / (len(before) + len(during))
    if not total:
        return Proof("blink", "no", 1.0, (0.0, LEAST_BLINKS), "no blinks were seen")
    found = scipy.stats.binomtest(n_during, total, share).proportion_ci(CONFIDENCE)
    odds = share / (1 - share)
    low, high = (_odds(float(edge)) / odds for edge in (found.low, found.high))
    ratio = _odds(n_during / total) / odds
    words = f"{n_during} blinks where they were asked for, {n_before} before"
    return Proof("blink", _verdict(low, high, LEAST_BLINKS), ratio, (low, high), words)


def flicker_proof(samples: FloatArray, spec: SignalSpec, freq_hz: float) -> Proof:
    """Look for the response to a flicker, in 10 s of looking at it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        The signal meanwhile.
    spec
        Its rate and channels, as of `alpha_proof`.
    freq_hz
        Frequency of the flicker.
    """
    # Whole periods alone: the response then lies in one line of the spectrum.
    n_samples = round(np.floor(len(samples) / spec.rate_hz * freq_hz) * spec.rate_hz / freq_hz)
    if n_samples < 4 * spec.rate_hz or 2 * freq_hz + _NEIGHBOURS_HZ >= spec.rate_hz / 2:
        return _untold("flicker")
    used = _filled(samples[:n_samples, _channels(spec, most_row=-2.0)])
    spectrum = np.abs(np.fft.rfft(scipy.signal.detrend(used, axis=0), axis=0)) ** 2
    power = spectrum.mean(axis=1)
    frequencies = np.fft.rfftfreq(n_samples, 1 / spec.rate_hz)
    # Each harmonic against its own neighbours, since the background falls with frequency.
    ratios, n_neighbours = [], 0
    for harmonic in (1, 2):
        far = np.abs(frequencies - harmonic * freq_hz)
        line = int(np.argmin(far))
        around = power[(far <= _NEIGHBOURS_HZ) & (np.abs(np.arange(len(far)) - line) > 1)]
        if not around.mean() > 0:  # a dead channel, or nothing but missing samples
            return _untold("flicker")
        ratios.append(power[line] / around.mean())
        n_neighbours += len(around)
    ratio = float(np.mean(ratios))
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        ratio / float(scipy.stats.f.ppf(edge, 4, 2 * n_neighbours)) for edge in (1 - tail, tail)
    )
    words = f"response at {freq_hz:g} Hz {ratio:.1f} times what lies around it"
    # A response too small to be seen is not shown to be absent.
    verdict: Verdict = "yes" if low > LEAST_FLICKER else "could not tell"
    return Proof("flicker", verdict, ratio, (low, high), words)


def is_brain(proofs: list[Proof]) -> Verdict:
    """Say whether proofs show that a signal is a brain's: by alpha or by a flicker's response."""
    ours = [one.verdict for one in proofs if one.name in ("alpha", "flicker")]
    if "yes" in ours:
        return "yes"
    return "no" if ours and all(one == "no" for one in ours) else "could not tell"


# -- parts ----------------------------------------------------------------------------------------


def _channels(
    spec: SignalSpec, *, least_row: float = -np.inf, most_row: float = np.inf
) -> list[int]:
    """Give the channels whose labels lie in some rows; all where none does."""
    rows = [row_of(label) for label in spec.labels]
    found = [i for i, row in enumerate(rows) if row is not None and least_row <= row <= most_row]
    return found or list(range(spec.n_channels))


def _segments(samples: FloatArray, rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """Give the power spectrum of each second without a missing sample, and its frequencies.

    Returns
    -------
    power : ndarray, shape (n_segments, n_channels, n_frequencies)
    frequencies : ndarray, shape (n_frequencies,)
    """
    length = round(_SEGMENT_S * rate_hz)
    n_segments = len(samples) // length
    cut = samples[: n_segments * length].reshape(n_segments, length, samples.shape[1])
    cut = cut[np.isfinite(cut).all(axis=(1, 2))]
    window = np.hanning(length)[:, np.newaxis]
    centred = cut - cut.mean(axis=1, keepdims=True)
    power: FloatArray = np.abs(np.fft.rfft(centred * window, axis=1).swapaxes(1, 2)) ** 2
    frequencies: FloatArray = np.asarray(np.fft.rfftfreq(length, 1 / rate_hz), dtype=np.float64)
    return power, frequencies


def _band(power: FloatArray, frequencies: FloatArray, edges: tuple[float, float]) -> FloatArray:
    """Give a band's mean power, shape (n_segments, n_channels); a dead channel has a little."""
    inside = (frequencies >= edges[0]) & (frequencies <= edges[1])
    return np.asarray(power[..., inside].mean(axis=-1) + 1e-12)


def _filled(samples: FloatArray) -> FloatArray:
    """Give samples whose missing ones lie on a line between their neighbours."""
    filled = samples.copy()
    for column in filled.T:
        finite = np.isfinite(column)
        if finite.any() and not finite.all():
            numbers = np.arange(len(column))
            column[~finite] = np.interp(numbers[~finite], numbers[finite], column[finite])
        elif not finite.any():
            column[:] = 0.0
    return filled


def _compared(name: str, before: FloatArray, during: FloatArray, least: float, words: str) -> Proof:
    """Compare the logarithms of two stretches' seconds by Welch's interval of their difference."""
    if min(len(before), len(during)) < _LEAST_SEGMENTS:
        return _untold(name)
    errors = [float(one.var(ddof=1)) / len(one) for one in (before, during)]
    total = sum(errors)
    if total < _STANDS_STILL:
        return Proof(name, "no", 1.0, (1.0, 1.0), f"{words} as before")
    freedom = total**2 / sum(
        e**2 / (len(one) - 1) for e, one in zip(errors, (before, during), strict=True)
    )
    reach = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * total**0.5
    difference = float(during.mean() - before.mean())
    low, high, ratio = (float(np.exp(difference + by)) for by in (-reach, reach, 0.0))
    verdict = _verdict(low, high, least)
    return Proof(
        name, verdict, ratio, (low, high), f"{words} {ratio:.1f} times as strong as before"
    )


def _verdict(low: float, high: float, least: float) -> Verdict:
    if low > least:
        return "yes"
    return "no" if high < least else "could not tell"


def _odds(share: float) -> float:
    return share / max(1 - share, 1e-12)


def _untold(name: str) -> Proof:
    return Proof(name, "could not tell", np.nan, (np.nan, np.nan), "too little signal to tell")
