"""Fits a calibrated decoder on flickers that are locked to their onset."""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.chunk import SignalSpec
from volition.decoders.fitting.fitted import FittedModel

#: What was fitted already, by settings and signal: the battery asks again and again.
_FITTED: dict[str, FittedModel] = {}


def make_ready(decoder: Any, spec: SignalSpec) -> None:
    key = f"{decoder.settings.model_dump_json()} {spec.rate_hz} {spec.n_channels}"
    if key not in _FITTED:
        _FITTED[key] = fitted(decoder, spec)
    decoder.use(_FITTED[key])


def fitted(decoder: Any, spec: SignalSpec) -> FittedModel:
    rng = np.random.default_rng(3)
    times = np.arange(round(2 * spec.rate_hz)) / spec.rate_hz
    targets = np.tile(np.arange(len(decoder.settings.targets)), 6)
    noise = 3 * rng.standard_normal((len(targets), spec.n_channels, len(times)))
    freqs_hz = decoder.settings.freqs_hz[targets]
    waves = np.sin(2 * np.pi * freqs_hz[:, None] * times)
    epochs = noise + np.arange(1, spec.n_channels + 1)[:, None] * waves[:, None]
    model: FittedModel = decoder.estimator(decoder.settings, spec.rate_hz).fit(epochs, targets)
    return model
