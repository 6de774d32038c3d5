"""Gives the decoder a network of one layer, made here of random weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.benchmarks.faults.hostile.onnx_files import manifest, model, node
from volition.chunk import SignalSpec
from volition.decoders.classes.methods.network import (
    INPUT,
    OUTPUT,
    UNIT,
    NetworkMethod,
    model_of,
)


def make_ready(decoder: Any, spec: SignalSpec) -> None:
    settings = decoder.settings
    n_samples, n_classes = settings.window_samples(spec.rate_hz), len(settings.classes)
    shape = (1, spec.n_channels, n_samples)
    weights = 0.1 * np.random.default_rng(4).standard_normal((int(np.prod(shape)), n_classes))
    content = model(
        [node("Flatten", [INPUT], ["flat"]), node("MatMul", ["flat", "weights"], [OUTPUT])],
        {INPUT: shape},
        {OUTPUT: (1, n_classes)},
        {"weights": weights},
    )
    described = manifest(
        content,
        kind="network",
        inputs=[{"name": INPUT, "shape": shape, "unit": UNIT}],
        outputs=[{"name": OUTPUT, "shape": (1, n_classes), "unit": "logit"}],
    )
    method = NetworkMethod(settings, spec.rate_hz)
    decoder.use(model_of(method, spec.labels, described, content))
