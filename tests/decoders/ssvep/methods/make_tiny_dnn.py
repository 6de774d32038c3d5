"""A small network of flicker, made and exported by torch; run, it writes the files in ``tiny_dnn``.

Those hold the network, three windows and what torch itself gave for them, so that what the runtime
gives can be checked where torch is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.fitting.network import save_network
from volition.decoders.ssvep.methods.dnn import DnnSettings

RATE_HZ = 250.0
N_CHANNELS = 6
FOLDER = Path(__file__).parent / "tiny_dnn"


def settings(**changes: Any) -> DnnSettings:
    freqs_hz = (8.0, 9.2, 10.4, 11.6)
    targets = [{"label": f"{freq_hz:g}", "freq_hz": freq_hz} for freq_hz in freqs_hz]
    return DnnSettings.model_validate({"targets": targets, "window_s": 0.3, **changes})


def windows(n: int, seed: int) -> FloatArray:
    one = settings()
    shape = (n, one.n_subbands, N_CHANNELS, one.window_samples(RATE_HZ))
    return 5 * np.random.default_rng(seed).standard_normal(shape)


def write() -> None:
    import torch

    from volition.models.training import ssvep_dnn

    layers = ssvep_dnn.network((3, N_CHANNELS, 75), 4, n_filters=6)
    torch.manual_seed(0)
    for weights in layers.parameters():  # large enough for every layer to show
        torch.nn.init.normal_(weights, std=0.2)
    manifest, content = ssvep_dnn.exported(
        layers,
        settings(),
        RATE_HZ,
        N_CHANNELS,
        name="tiny",
        trained_on="nothing: random weights",
        licence="Apache-2.0",
    )
    FOLDER.mkdir(exist_ok=True)
    save_network(FOLDER, manifest, content)
    asked = windows(3, 2)
    np.savez(FOLDER / "reference.npz", windows=asked, logits=ssvep_dnn.scores(layers, asked))


if __name__ == "__main__":
    write()
