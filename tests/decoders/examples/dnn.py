"""Gives the decoder a network of one layer, made here of random weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.benchmarks.faults.hostile.onnx_files import manifest, model, node
from volition.chunk import SignalSpec
from volition.decoders.fitting.network import Network
from volition.decoders.ssvep.methods.dnn import INPUT, OUTPUT
from volition.decoders.ssvep.templates import facts_of


def make_ready(decoder: Any, spec: SignalSpec) -> None:
    settings = decoder.settings
    n_samples, n_targets = settings.window_samples(spec.rate_hz), len(settings.targets)
    shape = (1, settings.n_subbands, spec.n_channels, n_samples)
    rng = np.random.default_rng(4)
    weights = 0.1 * rng.standard_normal((int(np.prod(shape)), n_targets))
    content = model(
        [node("Flatten", [INPUT], ["flat"]), node("MatMul", ["flat", "weights"], [OUTPUT])],
        {INPUT: shape},
        {OUTPUT: (1, n_targets)},
        {"weights": weights},
    )
    described = manifest(
        content,
        kind="dnn",
        inputs=[{"name": INPUT, "shape": shape, "unit": "uV"}],
        outputs=[{"name": OUTPUT, "shape": (1, n_targets), "unit": "logit"}],
        facts=facts_of(settings, spec.rate_hz, spec.n_channels),
    )
    decoder.use(Network(described, content))
