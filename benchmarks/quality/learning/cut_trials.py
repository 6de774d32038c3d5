"""Trials cut out of recordings, as the session's decoder would see them, and which may be known.

What a decoder that is calibrated on its user may learn from is other trials of the same person: of
the other blocks where a data set is made of blocks, elsewhere of earlier recordings, and for a
person's first recording its own first turns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    Trial,
    TrialDataset,
    TrialRecording,
)
from volition.chunk import FloatArray
from volition.decoders.ssvep.estimator import REST, IntArray
from volition.decoders.ssvep.settings import SelectorSettings
from volition.service.sessions.config import SessionConfig

#: Number of turns of each target in a person's calibration, where nothing was recorded before.
FIRST_TURNS = 4
#: Signal before a window that settles the filters, where there is as much.
SETTLE_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CutTrials:
    """Trials to fit to, as the session's decoder would see them.

    Attributes
    ----------
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
        Each ends with the window; one within which the signal begins anew is NaN.
    targets : ndarray of int, shape (n_trials,)
    rate_hz
    """

    epochs: FloatArray
    targets: IntArray
    rate_hz: float

    @classmethod
    def of(cls, one: TrialRecording, config: SessionConfig) -> CutTrials:
        """Cut the trials out of a recording, behind the session's stages."""
        assert isinstance(config.decoder, SelectorSettings)
        return cls.of_each(one, config, [config.decoder.delay_s])[0]

    @classmethod
    def of_each(
        cls, one: TrialRecording, config: SessionConfig, delays_s: Sequence[float]
    ) -> list[CutTrials]:
        """Cut them out at several delays from the onset."""
        settings = config.decoder
        assert isinstance(settings, SelectorSettings)
        cleaner = config.build_cleaner(one.recording.spec)
        stretches = cleaner.stretches(one.recording.samples, one.recording.times)
        samples = np.concatenate([stretch.samples for stretch in stretches])
        times = np.concatenate([stretch.times for stretch in stretches])
        stretch_of = np.repeat(np.arange(len(stretches)), [len(stretch) for stretch in stretches])
        rate_hz = cleaner.spec.rate_hz
        onsets = np.array([trial.onset for trial in one.trials])
        numbers = {target.freq_hz: number for number, target in enumerate(settings.targets)}
        targets = np.array([numbers.get(trial.freq_hz, REST) for trial in one.trials], np.int64)
        window = settings.window_samples(rate_hz)
        found = []
        for delay_s in delays_s:
            starts = np.searchsorted(times, onsets + delay_s)
            settle = min(round(SETTLE_S * rate_hz), int(starts.min()))
            inside = starts + window <= len(times)
            firsts, lasts = starts[inside] - settle, starts[inside] + window - 1
            epochs = [samples[a : b + 1].T for a, b in zip(firsts, lasts, strict=True)]
            cut = np.array(epochs).reshape(-1, cleaner.spec.n_channels, settle + window)
            cut[stretch_of[firsts] != stretch_of[lasts]] = np.nan
            found.append(cls(cut, targets[inside], rate_hz))
        return found

    def until(self, n_trials: int) -> CutTrials:
        """Give the first trials alone."""
        return CutTrials(self.epochs[:n_trials], self.targets[:n_trials], self.rate_hz)


def joined(known: Sequence[CutTrials]) -> tuple[FloatArray, IntArray, IntArray]:
    """Give the epochs of several recordings, their targets and the number of each's recording."""
    # A recording that began with a trial has less signal before its windows.
    n_samples = min(one.epochs.shape[2] for one in known)
    epochs = np.concatenate([one.epochs[..., -n_samples:] for one in known])
    recordings = np.repeat(np.arange(len(known)), [len(one.targets) for one in known])
    return epochs, np.concatenate([one.targets for one in known]), recordings


def known_of(
    dataset: TrialDataset,
    recordings: Sequence[TrialRecording],
    measured: Sequence[CutTrials],
    number: int,
) -> tuple[list[CutTrials], int]:
    """Give what a recording may be calibrated on, and how many of its first trials are in it."""
    person = recordings[number].person
    same = [k for k, other in enumerate(recordings) if other.person == person]
    if dataset.calibrate_on is CalibrateOn.OTHER_BLOCKS:
        known = [measured[k] for k in same if k != number]
    else:
        known = [measured[k] for k in same if k < number]
    if known:
        return known, 0
    n_first = _first_turns(recordings[number].trials)
    return [measured[number].until(n_first)], n_first


def _first_turns(trials: Sequence[Trial]) -> int:
    """Give how many trials it takes until each target has had its first turns."""
    turns = dict.fromkeys({trial.freq_hz for trial in trials if trial.freq_hz}, 0)
    for number, trial in enumerate(trials):
        if trial.freq_hz:
            turns[trial.freq_hz] += 1
        if min(turns.values(), default=0) >= FIRST_TURNS:
            return number + 1
    return len(trials)
