"""Made-up flickers, for the examples of the calibrated SSVEP decoders to be fitted to."""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.ssvep.estimator import IntArray
from volition.decoders.ssvep.settings import SelectorSettings

_TRIALS, _TRIAL_S, _NOISE = 6, 2.0, 3.0


def made_up_flickers(settings: SelectorSettings, spec: SignalSpec) -> tuple[FloatArray, IntArray]:
    """Give trials of noise in which each target's flicker begins at its onset, and their targets.

    The flicker is larger by one in each channel than in the one before.

    Returns
    -------
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
    targets : ndarray of int, shape (n_trials,)
    """
    rng = np.random.default_rng(3)
    times = np.arange(round(_TRIAL_S * spec.rate_hz)) / spec.rate_hz
    targets = np.tile(np.arange(len(settings.targets)), _TRIALS)
    noise = _NOISE * rng.standard_normal((len(targets), spec.n_channels, len(times)))
    waves = np.sin(2 * np.pi * settings.freqs_hz[targets][:, None] * times)
    epochs: FloatArray = noise + np.arange(1, spec.n_channels + 1)[:, None] * waves[:, None]
    return epochs, targets
