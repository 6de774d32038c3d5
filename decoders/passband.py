"""What the stages before a decoder let through, for thresholds that rest on it.

How well a signal without flicker can follow a reference by chance depends on how many independent
samples a window holds, which is twice its bandwidth times its length. A band-pass before a decoder
takes bandwidth away that the decoder's own sub-bands would have. `SignalSpec.passed` carries the
power gain from stage to stage.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy

from volition.chunk import FloatArray, SignalSpec

_N_FREQUENCIES = 513
#: Share of a band above which it counts as whole: thresholds were found behind a notch filter.
_WHOLE = 0.9
#: Canonical correlation also sees what a filter leaves at its edges. With this power of the share a
#: threshold lies as far above the scores of noise behind band-passes as it does without: 1.0 to 1.3
#: times their 99th percentile, for windows of 0.5 to 3 s.
_CHANCE_FOLLOWS = 0.8


def _frequencies(rate_hz: float) -> FloatArray:
    return np.linspace(0.0, rate_hz / 2.0, _N_FREQUENCIES)


def _gains(spec: SignalSpec) -> FloatArray:
    return np.ones(_N_FREQUENCIES) if spec.passed is None else np.array(spec.passed)


def behind_filter(spec: SignalSpec, sos: FloatArray) -> SignalSpec:
    """Give the spec of a signal behind a filter of these second-order sections."""
    _, response = scipy.signal.sosfreqz(sos, _frequencies(spec.rate_hz), fs=spec.rate_hz)
    return replace(spec, passed=tuple((_gains(spec) * np.abs(response) ** 2).tolist()))


def gains_at(spec: SignalSpec, rate_hz: float) -> tuple[float, ...] | None:
    """Give the gains of a signal as they are once its rate is another."""
    if spec.passed is None:
        return None
    frequencies = _frequencies(rate_hz)
    gains = np.interp(frequencies, _frequencies(spec.rate_hz), _gains(spec), right=0.0)
    return tuple(gains.tolist())


def share_left(spec: SignalSpec, low_hz: float, high_hz: float, order: int) -> float:
    """Give the share of a band's bandwidth that the stages have left, at most 1.

    The bandwidth of a spectrum G is (integral of G)^2 / integral of G^2: that of white noise which
    holds as many independent samples. G is the power gain of the band's own Butterworth filter, of
    ``order`` at each edge, and of the stages before it.
    """
    if spec.passed is None:
        return 1.0
    frequencies = _frequencies(spec.rate_hz)[1:]
    offset = (frequencies**2 - low_hz * high_hz) / (frequencies * (high_hz - low_hz))
    band = 1.0 / (1.0 + offset ** (2 * order))
    share = _bandwidth(band * _gains(spec)[1:]) / _bandwidth(band)
    return float(min(1.0, share / _WHOLE) ** _CHANCE_FOLLOWS)


def _bandwidth(gains: FloatArray) -> float:
    power = float(gains @ gains)
    return float(gains.sum()) ** 2 / power if power else 0.0
