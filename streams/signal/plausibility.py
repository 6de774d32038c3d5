"""Whether a signal can be what it says it is: EEG in microvolts, of these electrodes, at this rate.

A wrong unit, exchanged channels, another reference or another rate leave every sample finite and
every channel alive. They show in what EEG is always like:

- its amplitude between 1 and 40 Hz is some microvolts to some tens;
- its power falls from low frequencies to high ones, by a factor of ten or so from 2 to 40 Hz;
- mains hum lies at 50 or 60 Hz, and nowhere else: a line that stands elsewhere is a wrong rate;
- near electrodes are more alike than far ones. Correlations, ranked, run against the distances of
  the electrodes; where exchanging two channels would make them do so much better, those two look
  exchanged;
- its channels do not sum to zero, unless their own average is their reference.

Each second's spectrum, which `volition.streams.signal.quality` has worked out already, moves
running means; a verdict needs `LEAST_SECONDS` of them. Bounds lie outside of what all sane
recordings at hand show, so what is said is that something is wrong, and silence is no proof that
nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray, SignalSpec

#: Seconds before a verdict, those over which means run, and those for which a finding must hold.
LEAST_SECONDS, MEMORY_S, HOLDS_S = 10, 20.0, 15
#: Microvolts between 1 and 40 Hz of the median channel; real recordings have 2 to 35.
AMPLITUDE_UV = (0.3, 500.0)
#: Decades from 2..7 to 25..40 Hz; real recordings have -0.2 (the poorest) to 1.5.
FALL_DECADES = (-0.5, 3.0)
#: A line's least ratio to what lies on either side of it, its least share of the power from 1 to
#: 40 Hz, and the largest distance of hum from 50 or 60 Hz.
LINE_TIMES, LINE_SHARE, MAINS_WITHIN_HZ = 8.0, 3e-4, 0.7
MAINS_HZ = (50.0, 60.0)
#: Correlation of ranks of likeness and distance; real recordings have -0.95 to -0.48.
LEAST_ORDER = -0.2
#: With fewer electrodes whose places are known nothing is said of their order; nor of many more.
LEAST_ELECTRODES, MOST_ELECTRODES = 6, 128
#: Share of the power that is common to all channels; real recordings have 0.33 and more.
NO_COMMON = 4e-4

_BAND_HZ, _LOW_HZ, _HIGH_HZ, _LIKE_HZ = (1.0, 40.0), (2.0, 7.0), (25.0, 40.0), (2.0, 30.0)


def exchange_gain(n: int) -> float:
    """Give by how much an exchange must better the order of ``n`` electrodes to be told of.

    Real recordings of 8 to 64 electrodes stay below it, the nearest by a fifth.
    """
    return 0.05 + 1.6 / n


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not plausible: a word for programs, and a sentence."""

    code: str
    text: str


class Plausibility:
    """Watch what a signal is like, second by second.

    Parameters
    ----------
    spec
        The signal as the inlet gives it. Only its channels of kind EEG in microvolts count.
    positions : ndarray, shape (n_channels, 3)
        Places of the electrodes on the unit sphere; NaN where they are not known.
    frequencies : ndarray, shape (n_frequencies,)
        Frequencies of the spectra that `add` is given, Hz.
    """

    def __init__(self, spec: SignalSpec, positions: FloatArray, frequencies: FloatArray) -> None:
        kinds = [kind.upper() for kind in spec.kinds]
        self._used = np.array(
            [
                kind in ("EEG", "") and unit == "microvolts"
                for kind, unit in zip(kinds, spec.units, strict=True)
            ],
            dtype=np.bool_,
        )
        self._labels = spec.labels
        self._rate_hz = spec.rate_hz
        self._frequencies = frequencies
        self._band, self._low, self._high, self._like = (
            (frequencies >= low) & (frequencies <= high)
            for low, high in (_BAND_HZ, _LOW_HZ, _HIGH_HZ, _LIKE_HZ)
        )
        placed = np.flatnonzero(self._used & np.isfinite(positions).all(axis=1))
        if not LEAST_ELECTRODES <= len(placed) <= MOST_ELECTRODES:
            placed = placed[:0]
        self._placed = placed
        self._distances = np.arccos(np.clip(positions[placed] @ positions[placed].T, -1.0, 1.0))
        self._n_seconds = 0
        n_channels = len(self._used)
        self._log_power: FloatArray = np.zeros((len(frequencies), n_channels))
        self._alike: FloatArray = np.zeros((len(placed), len(placed)))
        self._common = 0.0
        self._seen: dict[str, Any] | None = None
        self._held_s: dict[str, int] = {}

    def add(self, spectrum: npt.NDArray[np.complex128], flat: npt.NDArray[np.bool_]) -> None:
        """Take the next second.

        Parameters
        ----------
        spectrum : ndarray, shape (n_frequencies, n_channels)
            Amplitudes, such that the sum of their squares' moduli is the variance, microvolts.
        flat : ndarray of bool, shape (n_channels,)
            Channels that say nothing: they do not count.
        """
        self._n_seconds += 1
        share = max(1.0 / self._n_seconds, 1.0 / MEMORY_S)
        log_power = np.log10(np.maximum(np.square(np.abs(spectrum)), 1e-30))
        self._log_power += share * (log_power - self._log_power)
        used = self._used & ~flat
        self._flat = flat
        like = spectrum[self._like]
        if used.sum() > 1:
            mean = np.square(np.abs(like[:, used].mean(axis=1))).sum()
            whole = np.square(np.abs(like[:, used])).sum() / used.sum()
            self._common += share * (float(mean / max(whole, 1e-30)) - self._common)
        if len(self._placed):
            ours = like[:, self._placed]
            cross = np.real(ours.conj().T @ ours)
            scale = np.sqrt(np.maximum(cross.diagonal(), 1e-30))
            self._alike += share * (cross / scale / scale[:, None] - self._alike)
        if self._n_seconds >= LEAST_SECONDS:
            self._judge(used)

    def report(self) -> dict[str, Any] | None:
        """Give what was measured and what is found; None before that is known.

        ``amplitude_uv``: between 1 and 40 Hz, of the median channel; ``fall_decades``: of the power
        from 2..7 to 25..40 Hz; ``line_hz``: where a narrow line stands out, null without one;
        ``order``: correlation of likeness and distance of the electrodes, by ranks, null where too
        few places are known; ``reference``: ``average`` where the channels sum to zero, else
        ``other``; ``findings``: what has not been plausible for `HOLDS_S`, each with ``code`` and
        ``text``.
        """
        return self._seen

    def _judge(self, used: npt.NDArray[np.bool_]) -> None:
        if not used.any():
            self._seen, self._held_s = None, {}
            return
        power = 10.0 ** self._log_power[:, used]
        amplitude_uv = float(np.median(np.sqrt(power[self._band].sum(axis=0))))
        line_hz, order = self._line(power), self._order()
        is_average = used.sum() > 2 and self._common < NO_COMMON
        fall = self._fall(power)
        findings = [
            *_amplitude(amplitude_uv),
            *_fall(fall),
            *self._off_mains(line_hz),
            *self._exchanged(order),
            *([_AVERAGE] if is_average else []),
        ]
        self._held_s = {one.code: self._held_s.get(one.code, 0) + 1 for one in findings}
        told = [one for one in findings if self._held_s[one.code] >= HOLDS_S]
        self._seen = {
            "amplitude_uv": round(amplitude_uv, 4),
            "fall_decades": None if fall is None else round(fall, 3),
            "line_hz": None if line_hz is None else round(line_hz, 2),
            "order": None if order is None else round(order[0], 3),
            "reference": "average" if is_average else "other",
            "findings": [{"code": one.code, "text": one.text} for one in told],
        }

    def _fall(self, power: FloatArray) -> float | None:
        if not self._high.any() or self._frequencies[-1] < _HIGH_HZ[1]:
            return None
        low, high = power[self._low].mean(axis=0), power[self._high].mean(axis=0)
        return float(np.median(np.log10(low / high)))

    def _line(self, power: FloatArray) -> float | None:
        """Give where a narrow line stands out most, above 20 Hz; None where none does."""
        level = np.median(np.log10(power), axis=1)
        places = np.flatnonzero((self._frequencies > 20) & (self._frequencies < 95))
        places = places[(places >= 8) & (places < len(level) - 8)]
        if not len(places):
            return None
        left, right = (
            np.median(np.stack([level[places + side * away] for away in range(4, 9)]), axis=0)
            for side in (-1, 1)
        )
        above = level[places] - np.maximum(left, right)  # the edge of a filter is no line
        place = int(places[above.argmax()])
        least = np.log10(LINE_SHARE * np.median(power[self._band].sum(axis=0)))
        if above.max() < np.log10(LINE_TIMES) or level[place] < least:
            return None
        # Between two frequencies, by a parabola through the three of the peak.
        before, at, after = level[place - 1 : place + 2].tolist()
        bend = before - 2 * at + after
        step = 0.5 * (before - after) / bend if bend < 0 else 0.0
        spacing = float(self._frequencies[1] - self._frequencies[0])
        return float(self._frequencies[place]) + float(np.clip(step, -0.5, 0.5)) * spacing

    def _off_mains(self, line_hz: float | None) -> list[Finding]:
        if line_hz is None:
            return []
        nearest = min(MAINS_HZ, key=lambda mains: abs(mains - line_hz))
        # Hum's first harmonic is hum too; of a slow signal it is folded back.
        folded = [abs(2 * mains - turns * self._rate_hz) for mains in MAINS_HZ for turns in (0, 1)]
        known = [*MAINS_HZ, *folded, *(abs(mains - self._rate_hz) for mains in MAINS_HZ)]
        if min(abs(line_hz - one) for one in known) <= MAINS_WITHIN_HZ:
            return []
        return [
            Finding(
                "rate",
                f"a line stands at {line_hz:.1f} Hz, where mains hum lies at 50 or 60: if it is "
                f"hum, the rate is not {self._rate_hz:g} but about "
                f"{self._rate_hz * nearest / line_hz:.1f} Hz",
            )
        ]

    def _order(self) -> tuple[float, float, tuple[int, int]] | None:
        """Give the order, by how much the best exchange betters it, and of which two channels."""
        live = np.flatnonzero(~self._flat[self._placed])
        if len(live) < LEAST_ELECTRODES:
            return None
        near = _ranked(self._distances[np.ix_(live, live)])
        alike = _ranked(self._alike[np.ix_(live, live)])
        n_pairs = len(live) * (len(live) - 1) / 2
        # What exchanging i and j changes: all pairs at once, by one product of the two matrices.
        product = near @ alike
        own = product.diagonal()
        change = product + product.T - own[:, None] - own + 2 * near * alike
        first, second = np.unravel_index(int(change.argmin()), change.shape)
        places = self._placed[live[int(first)]], self._placed[live[int(second)]]
        order = float((near * alike).sum() / 2 / n_pairs)
        return order, -float(change.min()) / n_pairs, (int(places[0]), int(places[1]))

    def _exchanged(self, order: tuple[float, float, tuple[int, int]] | None) -> list[Finding]:
        if order is None:
            return []
        found, gain, (first, second) = order
        if gain > exchange_gain(len(self._placed)):
            pair = f"{self._labels[first]} and {self._labels[second]}"
            return [
                Finding(
                    "channels",
                    f"near electrodes would be more alike if {pair} were exchanged: compare the "
                    "cables with the labels",
                )
            ]
        if found > LEAST_ORDER:
            return [
                Finding(
                    "channels",
                    "near electrodes are no more alike than far ones: the labels are not those of "
                    "the electrodes, or all channels hold the same disturbance",
                )
            ]
        return []


_AVERAGE = Finding(
    "reference",
    "the channels sum to zero: their own average is their reference, which a model that was made "
    "with another one does not expect",
)


def _amplitude(amplitude_uv: float) -> list[Finding]:
    low, high = AMPLITUDE_UV
    if low <= amplitude_uv <= high:
        return []
    return [
        Finding(
            "amplitude",
            f"{amplitude_uv:.3g} uV between 1 and 40 Hz is no EEG, which has 2 to 50 or so: the "
            "unit is another (stream.units), or the gain",
        )
    ]


def _fall(decades: float | None) -> list[Finding]:
    low, high = FALL_DECADES
    if decades is None or low <= decades <= high:
        return []
    said = "rises" if decades < 0 else "falls"
    return [
        Finding(
            "spectrum",
            f"the power {said} by {abs(decades):.1f} decades from 2..7 to 25..40 Hz, which EEG's "
            "does not: the rate is another, or this is no EEG, or was filtered hard",
        )
    ]


def _ranked(matrix: FloatArray) -> FloatArray:
    """Give each pair's rank in a symmetric matrix, of mean 0 and SD 1; 0 on the diagonal."""
    above = np.triu_indices(len(matrix), 1)
    ranks = matrix[above].argsort().argsort().astype(np.float64)
    ranks = (ranks - ranks.mean()) / ranks.std()
    ranked = np.zeros_like(matrix)
    ranked[above] = ranks
    return ranked + ranked.T
