"""What a model of a decoder of classes holds, and one of random data for the examples.

Each fit's arrays carry its name: ``plain_...`` for windows as they are, ``centred_...`` for windows
that were whitened by their session's centre. ``session_centres`` are the centres of the sessions
that it was calibrated on. The facts say which channels, classes, rate and window it is for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.chunk import SignalSpec
from volition.decoders.classes.method import Arrays, ClassMethod
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.errors import ModelError

PLAIN, CENTRED = "plain", "centred"
SESSION_CENTRES = "session_centres"

_TRIALS = 8


def arrays_of(decoder: FittedDecoder[Any], fit: str) -> Arrays:
    """Give the arrays of one of the fits that a decoder's model holds.

    Raises
    ------
    ModelError
        There are none, or they hold what is not finite.
    """
    model = decoder.fitted_model()
    found = {
        name.removeprefix(f"{fit}_"): np.ascontiguousarray(array)
        for name, array in model.arrays.items()
        if name.startswith(f"{fit}_")
    }
    if not found or not all(np.isfinite(array).all() for array in found.values()):
        raise ModelError(f"the model for {model.kind} holds no usable fit named {fit!r}")
    return found


def named(fit: str, arrays: Arrays) -> dict[str, Any]:
    """Give arrays under the names that a model has them by."""
    return {f"{fit}_{name}": array for name, array in arrays.items()}


def facts_of(
    method: ClassMethod[Any], channels: tuple[str, ...], fits: list[str], **more: Any
) -> dict[str, Any]:
    """Give a model's facts."""
    settings = method.settings
    return {
        "channels": list(channels),
        "classes": list(settings.classes),
        "rate_hz": method.rate_hz,
        "window_s": settings.window_s,
        "fits": fits,
        **more,
    }


def example_of(method: ClassMethod[Any], spec: SignalSpec) -> FittedModel:
    """Make a model of noise in which each class is loud on a channel of its own."""
    rng = np.random.default_rng(3)
    n_classes = len(method.settings.classes)
    n_samples = method.settings.window_samples(method.rate_hz)
    classes = np.tile(np.arange(n_classes), _TRIALS)
    windows = rng.standard_normal((len(classes), len(method.edges), spec.n_channels, n_samples))
    for window, k in zip(windows, classes, strict=True):
        window[:, k % spec.n_channels] *= 2.0
    features = np.stack([method.feature(10 * window) for window in windows])
    arrays = named(PLAIN, method.fit(features, classes, n_classes))
    fits, more = [PLAIN], {}
    if method.of_covariances:
        arrays |= named(CENTRED, method.fit(features / 100, classes, n_classes))
        arrays[SESSION_CENTRES] = features.mean(axis=0)[None]
        fits, more = [PLAIN, CENTRED], {"usual_distance": 3.0, "recentring_helps": False}
    facts = facts_of(method, spec.labels, fits, **more)
    return FittedModel(method.settings.kind, arrays, facts)
