"""Training of the two-stage SSVEP network (`volition.decoders.ssvep.methods.dnn`), in torch.

Guney et al., IEEE Trans. Biomed. Eng. 69:932, 2022. Stage one learns from the trials of many
people, stage two goes on from there with one person's trials alone and more dropout. Adam with a
rate of 1e-4, weight decay 1e-3 added to the gradient of the weights (not of the biases), weights
from N(0, 0.01^2), those over the sub-bands from 1.

It takes windows that were filtered as the decoder filters (`filtered_windows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from volition.chunk import FloatArray
from volition.decoders.fitting.network import NetworkManifest
from volition.decoders.ssvep.estimator import IntArray
from volition.decoders.ssvep.methods.dnn import INPUT, OUTPUT, DnnSettings
from volition.decoders.ssvep.templates import facts_of
from volition.models.training.export import onnx_content

OPSET = 18
LEARNING_RATE = 1e-4
WEIGHT_DECAY = 1e-3
#: Filters of each convolution.
N_FILTERS = 120


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """How one stage is trained.

    Attributes
    ----------
    n_epochs
        Passes over all trials.
    batch
        Trials in a step; None for all of them.
    dropout
        Dropout of the first two layers that have one; the last is always 0.95.
    """

    n_epochs: int
    batch: int | None
    dropout: float


#: The two stages for the Benchmark; BETA had 800 passes and a dropout of 0.7.
GLOBAL = TrainingStage(n_epochs=1000, batch=100, dropout=0.1)
PERSONAL = TrainingStage(n_epochs=1000, batch=None, dropout=0.6)


def network(shape: tuple[int, int, int], n_targets: int, *, n_filters: int = N_FILTERS) -> Any:
    """Make the untrained network; ``shape`` is a window's, (n_bands, n_channels, n_samples)."""
    n_bands, n_channels, n_samples = shape
    nn = torch.nn
    layers = nn.Sequential(
        nn.Conv2d(n_bands, 1, 1, bias=False),
        nn.Conv2d(1, n_filters, (n_channels, 1)),
        nn.Dropout(0.1),
        nn.Conv2d(n_filters, n_filters, (1, 2), stride=(1, 2)),
        nn.Dropout(0.1),
        nn.ReLU(),
        nn.ZeroPad2d((4, 5, 0, 0)),  # "same", for a kernel of even length
        nn.Conv2d(n_filters, n_filters, (1, 10)),
        nn.Dropout(0.95),
        nn.Flatten(),
        nn.Linear(n_filters * (n_samples // 2), n_targets),
    )
    for number, layer in enumerate(layers):
        if hasattr(layer, "weight"):
            if number == 0:
                nn.init.ones_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return layers


def train(
    layers: Any, windows: FloatArray, targets: IntArray, stage: TrainingStage, *, seed: int
) -> float:
    """Train ``layers`` in place; give the loss of the last pass.

    Parameters
    ----------
    windows : ndarray, shape (n_trials, n_bands, n_channels, n_samples)
    targets : ndarray of int, shape (n_trials,)
    """
    torch.manual_seed(seed)
    for place in (2, 4):
        layers[place].p = stage.dropout
    inputs = torch.from_numpy(windows.astype(np.float32))
    wanted = torch.from_numpy(targets.astype(np.int64))
    weights = [one for name, one in layers.named_parameters() if name.endswith("weight")]
    biases = [one for name, one in layers.named_parameters() if name.endswith("bias")]
    optimiser = torch.optim.Adam(
        [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": biases}], lr=LEARNING_RATE
    )
    batch = min(stage.batch or len(windows), len(windows))
    layers.train()
    mean = 0.0
    for _ in range(stage.n_epochs):
        order = torch.randperm(len(windows))
        # What does not fill a batch waits for another pass, as in the authors' environment.
        starts = range(0, len(windows) - batch + 1, batch)
        mean = 0.0
        for start in starts:
            some = order[start : start + batch]
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(layers(inputs[some]), wanted[some])
            loss.backward()
            optimiser.step()
            mean += float(loss.detach()) / len(starts)
    layers.eval()
    return mean


def scores(layers: Any, windows: FloatArray) -> FloatArray:
    """Give the logits of windows, as `train` takes them, by torch itself."""
    layers.eval()
    with torch.no_grad():
        found: FloatArray = layers(torch.from_numpy(windows.astype(np.float32))).numpy()
    return found.astype(np.float64)


def exported(
    layers: Any,
    settings: DnnSettings,
    rate_hz: float,
    n_channels: int,
    *,
    name: str,
    trained_on: str,
    licence: str,
    more_facts: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[NetworkManifest, bytes]:
    """Give the network as an ONNX file, and its manifest; ``more`` are fields of that."""
    n_samples = settings.window_samples(rate_hz)
    shape = (1, settings.n_subbands, n_channels, n_samples)
    content = onnx_content(
        layers, (torch.zeros(shape),), inputs=[INPUT], outputs=[OUTPUT], opset=OPSET
    )
    manifest = NetworkManifest.of(
        content,
        name=name,
        kind="dnn",
        inputs=[{"name": INPUT, "shape": shape, "unit": "uV"}],
        outputs=[{"name": OUTPUT, "shape": (1, len(settings.targets)), "unit": "logit"}],
        trained_on=trained_on,
        licence=licence,
        facts={**facts_of(settings, rate_hz, n_channels), **(more_facts or {})},
        **more,
    )
    return manifest, content


def two_stages(
    people: Sequence[tuple[FloatArray, IntArray]],
    person: tuple[FloatArray, IntArray],
    n_targets: int,
    *,
    stages: tuple[TrainingStage, TrainingStage] = (GLOBAL, PERSONAL),
    seed: int = 0,
    n_threads: int = 1,
) -> tuple[Any, Any]:
    """Train both stages; give the network of all, and the one of ``person``.

    Parameters
    ----------
    people
        Windows and targets of each person, the calibration of ``person`` among them.
    person
        Windows and targets of the one it is for.
    n_threads
        Threads of torch, for the process.
    """
    torch.set_num_threads(n_threads)
    windows = np.concatenate([found for found, _ in people])
    targets = np.concatenate([found for _, found in people])
    torch.manual_seed(seed)
    n_bands, n_channels, n_samples = windows.shape[1:]
    shape = n_bands, n_channels, n_samples
    layers = network(shape, n_targets)
    train(layers, windows, targets, stages[0], seed=seed)
    own = network(shape, n_targets)
    own.load_state_dict(layers.state_dict())
    train(own, *person, stages[1], seed=seed + 1)
    return layers, own
