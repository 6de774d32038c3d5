"""A model for the examples of the calibrated SSVEP decoders: fitted to made-up flickers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volition.chunk import SignalSpec
from volition.decoders.fitting.fitted import FittedModel

if TYPE_CHECKING:  # whose examples these are
    from volition.decoders.ssvep.templates import TemplateEstimator, TemplateSettings

_TRIALS, _TRIAL_S, _NOISE = 6, 2.0, 3.0


def flicker_model(
    estimator: type[TemplateEstimator[Any]], settings: TemplateSettings, spec: SignalSpec
) -> FittedModel:
    """Fit to trials of noise in which each target's flicker begins at its onset.

    The flicker is larger by one in each channel than in the one before.
    """
    rng = np.random.default_rng(3)
    times = np.arange(round(_TRIAL_S * spec.rate_hz)) / spec.rate_hz
    targets = np.tile(np.arange(len(settings.targets)), _TRIALS)
    noise = _NOISE * rng.standard_normal((len(targets), spec.n_channels, len(times)))
    waves = np.sin(2 * np.pi * settings.freqs_hz[targets][:, None] * times)
    epochs = noise + np.arange(1, spec.n_channels + 1)[:, None] * waves[:, None]
    return estimator(settings, spec.rate_hz).fit(epochs, targets)
