"""Gives the decoder a network of one leaky layer, made here of random weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.benchmarks.faults.hostile.onnx_files import manifest, model, node
from volition.chunk import SignalSpec
from volition.decoders.fitting.network import Network
from volition.decoders.kinematics.methods.recurrent import INPUT, KIND, OUTPUT


def make_ready(decoder: Any, spec: SignalSpec) -> None:
    decoder.use(leaky(spec.n_channels))


def leaky(n_features: int, n_units: int = 5, **facts: Any) -> Network:
    """Give ``h' = tanh(0.8 h + U x / 400)``, ``velocity = V h'``."""
    random = np.random.default_rng(6)
    shapes = {INPUT: (1, n_features), "h": (1, n_units)}
    results = {OUTPUT: (1, 2), "h_next": (1, n_units)}
    content = model(
        [
            node("MatMul", [INPUT, "U"], ["driven"]),
            node("Mul", ["h", "leak"], ["kept"]),
            node("Add", ["driven", "kept"], ["sum"]),
            node("Tanh", ["sum"], ["h_next"]),
            node("MatMul", ["h_next", "V"], [OUTPUT]),
        ],
        dict(shapes),
        dict(results),
        {
            "U": random.standard_normal((n_features, n_units)) / 400,
            "V": random.standard_normal((n_units, 2)),
            "leak": [0.8],
        },
    )
    described = manifest(
        content,
        kind=KIND,
        inputs=[{"name": name, "shape": shape, "unit": "1"} for name, shape in shapes.items()],
        outputs=[{"name": name, "shape": shape, "unit": "1"} for name, shape in results.items()],
        state=[{"input": "h", "output": "h_next"}],
        facts=facts,
    )
    return Network(described, content)
