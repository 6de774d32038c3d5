"""Training of streaming networks for movement, in torch.

What runs them is `volition.decoders.kinematics.methods.recurrent`.

``gru``: a gated recurrent unit and a linear read-out. ``snn``: two layers of leaky
integrate-and-fire neurons and two leaky integrators that never fire, after the streaming network
of Zhou, Sun, Basu (arXiv:2312.15889): membranes decay by β, what crosses the threshold fires and
is taken off, β and thresholds are learned, and the step's gradient is that of an arctangent (Fang
et al., ICCV 2021).

They learn from sequences that begin with no state: whole trials, or pieces of a long recording.
AdamW with a rate that falls to nothing along a cosine; of all passes, the weights are kept that do
best on the last fifth of the sequences, which nothing is learned from.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.fitting.network import NetworkManifest
from volition.decoders.kinematics.methods.recurrent import INPUT, KIND, OUTPUT
from volition.models.training.export import onnx_content

OPSET = 18
NetworkName = Literal["gru", "snn"]


@dataclass(frozen=True, slots=True)
class Training:
    """How it is trained.

    Attributes
    ----------
    n_units
        Units of a layer.
    n_epochs, batch
        Passes over all sequences, and sequences in a step.
    rate, decay
        AdamW's.
    dropout
        Dropout of features and units.
    piece_bins, unscored_bins
        A recording without trials is cut into pieces, each twice, half a piece apart; their first
        bins, before which there was no state, are not scored.
    held_out
        Last share of the sequences, which chooses among the passes.
    """

    n_units: int = 64
    n_epochs: int = 60
    batch: int = 32
    rate: float = 4e-3
    decay: float = 0.02
    dropout: float = 0.3
    piece_bins: int = 80
    unscored_bins: int = 8
    held_out: float = 0.2


class _Spike(torch.autograd.Function):  # type: ignore[misc]  # torch is not looked into here
    """A step whose gradient is that of an arctangent."""

    @staticmethod
    def forward(context: Any, above: Any) -> Any:
        context.save_for_backward(above)
        return (above > 0).to(above.dtype)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        (above,) = context.saved_tensors
        return gradients[0] / (1.0 + (torch.pi * above) ** 2)


class _Cell(torch.nn.Module):  # type: ignore[misc]  # torch is not looked into here
    """One bin of a network: features and what was carried on, to a velocity and what is."""

    def __init__(self, mean: FloatArray, scale: FloatArray, size: FloatArray) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("scale", scale), ("size", size)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.dropout = torch.nn.Dropout(0.0)

    widths: tuple[int, ...]

    def start(self, n_sequences: int) -> tuple[Any, ...]:
        """Give the state before the first bin."""
        return tuple(torch.zeros(n_sequences, width) for width in self.widths)

    def scaled(self, features: Any) -> Any:
        return self.dropout((features - self.mean) / self.scale)


class Gru(_Cell):
    """A gated recurrent unit and a linear read-out."""

    def __init__(self, mean: FloatArray, scale: FloatArray, size: FloatArray, n_units: int) -> None:
        super().__init__(mean, scale, size)
        n_features, n_dimensions = len(mean), len(size)
        self.widths = (n_units,)
        self.gates = torch.nn.Linear(n_features + n_units, 2 * n_units)
        self.candidate = torch.nn.Linear(n_features + n_units, n_units)
        self.read_out = torch.nn.Linear(n_units, n_dimensions)

    def forward(self, features: Any, hidden: Any) -> tuple[Any, Any]:
        x = self.scaled(features)
        update, reset = torch.sigmoid(self.gates(torch.cat([x, hidden], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([x, reset * hidden], 1)))
        hidden = update * hidden + (1.0 - update) * candidate
        return self.read_out(self.dropout(hidden)) * self.size, hidden


class Snn(_Cell):
    """Two layers of neurons that fire, and integrators that do not."""

    def __init__(self, mean: FloatArray, scale: FloatArray, size: FloatArray, n_units: int) -> None:
        super().__init__(mean, scale, size)
        n_dimensions = len(size)
        self.widths = (n_units, n_units, n_dimensions)
        self.first = torch.nn.Linear(len(mean), n_units)
        self.second = torch.nn.Linear(n_units, n_units)
        self.read_out = torch.nn.Linear(n_units, n_dimensions)
        #: Logits of β, and logarithms of the thresholds.
        self.leaks = torch.nn.Parameter(torch.tensor([0.5, 0.5, 0.5]))
        self.thresholds = torch.nn.Parameter(torch.log(torch.tensor([0.5, 0.5])))

    def forward(self, features: Any, u1: Any, u2: Any, output: Any) -> tuple[Any, Any, Any, Any]:
        leaks, thresholds = torch.sigmoid(self.leaks), torch.exp(self.thresholds)
        u1 = leaks[0] * u1 + self.first(self.scaled(features))
        spikes = _fired(u1 - thresholds[0], training=self.training)
        u1 = u1 - spikes * thresholds[0]
        u2 = leaks[1] * u2 + self.second(self.dropout(spikes))
        spikes = _fired(u2 - thresholds[1], training=self.training)
        u2 = u2 - spikes * thresholds[1]
        output = leaks[2] * output + self.read_out(self.dropout(spikes))
        return output * self.size, u1, u2, output


def _fired(above: Any, *, training: bool) -> Any:
    return _Spike.apply(above) if training else (above > 0).to(above.dtype)


def train(
    name: NetworkName,
    features: FloatArray,
    velocities: FloatArray,
    trials: Array | None,
    training: Training,
    *,
    seed: int = 0,
    n_threads: int = 1,
) -> tuple[Any, FloatArray, float]:
    """Train a network.

    Parameters
    ----------
    features : ndarray, shape (n_bins, n_features)
    velocities : ndarray, shape (n_bins, n_dimensions)
    trials : ndarray of int, shape (n_bins,), optional
        Number of each bin's trial; None for one long recording.

    Returns
    -------
    network, error_covariance, nrmse
        The errors are of the sequences that chose among the passes.
    """
    torch.set_num_threads(n_threads)
    torch.manual_seed(seed)
    scale, size = features.std(axis=0), velocities.std(axis=0)
    scale[scale == 0] = 1.0
    cls = {"gru": Gru, "snn": Snn}[name]
    network = cls(features.mean(axis=0), scale, size, training.n_units)
    sequences = _sequences(len(features), trials, training)
    # Half a piece of those that are learned from may lie in one that chooses: left out.
    first = sequences[round((1 - training.held_out) * len(sequences))].start
    learn = _padded(features, velocities, [one for one in sequences if one.stop <= first], training)
    choose = _padded(
        features, velocities, [one for one in sequences if one.start >= first], training
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.rate, weight_decay=training.decay
    )
    n_steps = -(-len(learn[0]) // training.batch)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.n_epochs * n_steps)
    best, kept = np.inf, copy.deepcopy(network.state_dict())
    for _ in range(training.n_epochs):
        network.train()
        network.dropout.p = training.dropout
        for some in torch.randperm(len(learn[0])).split(training.batch):
            optimiser.zero_grad()
            x, z, scored = (part[some] for part in learn)
            error = (_run(network, x) - z) / network.size
            loss = (error.square() * scored[:, :, None]).sum() / scored.sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            falling.step()
        error = _errors(network, choose)
        if (found := float(np.square(error).sum())) < best:
            best, kept = found, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    network.eval()
    errors = _errors(network, choose)
    true = choose[1][choose[2]].numpy().astype(np.float64)
    covariance: FloatArray = errors.T @ errors / len(errors)
    return network, covariance, float(np.linalg.norm(errors) / np.linalg.norm(true))


def _sequences(n_bins: int, trials: Array | None, training: Training) -> list[slice]:
    if trials is None:
        length = training.piece_bins
        starts = range(0, n_bins - length + 1, length // 2)
        return [slice(start, start + length) for start in starts]
    bounds = [0, *(np.flatnonzero(np.diff(trials)) + 1).tolist(), n_bins]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def _padded(
    features: FloatArray, velocities: FloatArray, sequences: list[slice], training: Training
) -> tuple[Any, Any, Any]:
    """Give features, velocities and which bins are scored, each with one row a sequence."""
    longest = max(one.stop - one.start for one in sequences)
    x = torch.zeros(len(sequences), longest, features.shape[1])
    z = torch.zeros(len(sequences), longest, velocities.shape[1])
    scored = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for number, one in enumerate(sequences):
        length = one.stop - one.start
        x[number, :length] = torch.tensor(features[one], dtype=torch.float32)
        z[number, :length] = torch.tensor(velocities[one], dtype=torch.float32)
        # The recording's first piece has no state before it live either, as every trial.
        whole = length == training.piece_bins and one.start > 0
        scored[number, (training.unscored_bins if whole else 0) : length] = True
    return x, z, scored


def _run(network: Any, x: Any) -> Any:
    state, given = network.start(len(x)), []
    for features in x.unbind(1):
        velocity, *state = network(features, *state)
        given.append(velocity)
    return torch.stack(given, 1)


def _errors(network: Any, sequences: tuple[Any, Any, Any]) -> FloatArray:
    x, z, scored = sequences
    network.eval()
    with torch.no_grad():
        errors: FloatArray = (_run(network, x) - z)[scored].numpy().astype(np.float64)
    return errors


def exported(
    network: Any,
    *,
    name: str,
    bin_s: float,
    error_covariance: FloatArray,
    trained_on: str,
    licence: str,
    **more: Any,
) -> tuple[NetworkManifest, bytes]:
    """Give the network as an ONNX file of one bin, and its manifest; ``more`` are fields of it."""
    n_features, n_dimensions = len(network.mean), len(network.size)
    before = [f"state{number}" for number in range(len(network.widths))]
    after = [f"{one}_next" for one in before]
    content = onnx_content(
        network,
        (torch.zeros(1, n_features), *network.start(1)),
        inputs=[INPUT, *before],
        outputs=[OUTPUT, *after],
        opset=OPSET,
    )

    def carried(names: list[str]) -> list[dict[str, Any]]:
        return [
            {"name": one, "shape": (1, width), "unit": "1"}
            for one, width in zip(names, network.widths, strict=True)
        ]

    manifest = NetworkManifest.of(
        content,
        name=name,
        kind=KIND,
        inputs=[{"name": INPUT, "shape": (1, n_features), "unit": "1"}, *carried(before)],
        outputs=[
            {"name": OUTPUT, "shape": (1, n_dimensions), "unit": "of the training"},
            *carried(after),
        ],
        state=[{"input": a, "output": b} for a, b in zip(before, after, strict=True)],
        trained_on=trained_on,
        licence=licence,
        facts={"bin_s": bin_s, "error_covariance": error_covariance.tolist()},
        **more,
    )
    return manifest, content
