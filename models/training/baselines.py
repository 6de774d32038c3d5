"""The networks of EEGdenoiseNet's benchmark, by its description, to set a denoiser beside.

Zhang et al., J. Neural Eng. 18:056057, 2021 (fully connected, simple convolutional, residual
convolutional, recurrent), and Zhang et al., 2021 (arXiv 2105.14275: the novel convolutional one
against muscle). Each takes (n, 1, 512) and gives the same. `train` gives them what AT-AT is given:
the pairs, the loss, the optimiser and its cycle, so that the networks are what differs. (The
benchmark's mean squared error would hardly count a segment of -7 dB, whose EEG is a fifth of it.)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from volition.models.training.atat import SEGMENT, Draw, error

#: Share of activations that are left out in training.
DROPOUT = 0.3


def fully_connected() -> Any:
    """Four dense layers as wide as a segment."""
    layers: list[Any] = [nn.Flatten()]
    for _ in range(3):
        layers += [nn.Linear(SEGMENT, SEGMENT), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(SEGMENT, SEGMENT), nn.Unflatten(1, (1, SEGMENT)))


def simple_cnn() -> Any:
    """Four convolutions of 64 channels, and one dense layer."""
    layers: list[Any] = []
    for n_in in (1, 64, 64, 64):
        layers += [
            nn.Conv1d(n_in, 64, 3, padding=1),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
        ]
    return nn.Sequential(*layers, *_dense(64 * SEGMENT))


class Residual(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Three convolutions of one width around which the input goes as well."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[Any] = []
        for n_in, n_out in ((32, 32), (32, 16), (16, 32)):
            layers += [
                nn.Conv1d(n_in, n_out, width, padding=width // 2),
                nn.BatchNorm1d(n_out),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Any) -> Any:
        return values + self.layers(values)


class ComplexCnn(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Three branches of two residual blocks each, of widths 3, 5 and 7."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(1, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU())
        self.branches = nn.ModuleList(
            nn.Sequential(Residual(width), Residual(width)) for width in (3, 5, 7)
        )
        self.join = nn.Sequential(nn.Conv1d(96, 32, 1), nn.BatchNorm1d(32), nn.ReLU())
        self.out = nn.Sequential(*_dense(32 * SEGMENT))

    def forward(self, noisy: Any) -> Any:
        begun = self.first(noisy)
        return self.out(self.join(torch.cat([one(begun) for one in self.branches], dim=1)))


class Recurrent(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A long short-term memory of one unit along the segment, and three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(1, 1, batch_first=True)
        layers: list[Any] = []
        for _ in range(2):
            layers += [nn.Linear(SEGMENT, SEGMENT), nn.ReLU(), nn.Dropout(DROPOUT)]
        self.out = nn.Sequential(*layers, *_dense(SEGMENT))

    def forward(self, noisy: Any) -> Any:
        along, _ = self.memory(noisy.transpose(1, 2))
        return self.out(along[..., 0])


def novel_cnn() -> Any:
    """Seven pairs of convolutions that double their channels and halve the length."""
    layers: list[Any] = []
    n_in = 1
    for number, n_out in enumerate((32, 64, 128, 256, 512, 1024, 2048)):
        layers += [_rectified(n_in, n_out), nn.ReLU(), _rectified(n_out, n_out), nn.ReLU()]
        if number >= 3:
            layers.append(nn.Dropout(0.5))
        if number < 6:
            layers.append(nn.AvgPool1d(2))
        n_in = n_out
    return nn.Sequential(*layers, *_dense(2048 * SEGMENT // 64))


BASELINES: dict[str, Callable[[], Any]] = {
    "fcnn": fully_connected,
    "simple_cnn": simple_cnn,
    "complex_cnn": ComplexCnn,
    "rnn": Recurrent,
    "novel_cnn": novel_cnn,
}


#: Largest learning rates of `train`, by the loss on people held out after 200 batches.
RATES: Mapping[str, float] = {
    "fcnn": 1e-3,
    "simple_cnn": 1e-3,
    "complex_cnn": 1e-3,
    "rnn": 1e-2,
    "novel_cnn": 1e-3,
}


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A trained network, and how its loss on pairs held out fell: batches seen, loss."""

    network: Any
    held_out: list[tuple[int, float]]


def train(
    name: str,
    draw: Draw,
    steps: int,
    *,
    batch: int = 64,
    seed: int = 0,
    rate: float | None = None,
    held_out: tuple[Any, Any] | None = None,
    mixed_precision: bool = False,
) -> Course:
    """Train one of `BASELINES` from nothing, as AT-AT is (`volition.models.training.atat.train`).

    Parameters
    ----------
    name
    draw
        Gives a number of pairs, noisy and clean, each (n, 512).
    steps, batch, seed
        Batches, pairs in each, and of the random numbers.
    rate
        The largest learning rate (Adam, one cycle); when left out that of `RATES`.
    held_out
        Noisy and clean segments of people who are not trained on. What is given is the network as
        it was where its loss on them was least, looked at ten times; without, the last.
    mixed_precision
        Take the products of training in bfloat16, the weights as they are: half the time.
    """
    torch.manual_seed(seed)
    network = BASELINES[name]()
    rate = RATES[name] if rate is None else rate
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    course: list[tuple[int, float]] = []
    best = None
    for step in range(1, steps + 1):
        noisy, clean = (torch.tensor(one[:, None], dtype=torch.float32) for one in draw(batch))
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed_precision):
            given = network(noisy)
        loss = error(given.float(), clean).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if held_out is not None and (step % max(1, steps // 10) == 0 or step == steps):
            course.append((step, _loss(network, held_out)))
            if course[-1][1] == min(one for _, one in course):
                best = copy.deepcopy(network.state_dict())
    if best is not None:
        network.load_state_dict(best)
    return Course(network.eval(), course)


def _loss(network: Any, pairs: tuple[Any, Any]) -> float:
    noisy, clean = (torch.tensor(one[:, None], dtype=torch.float32) for one in pairs)
    network.eval()
    with torch.no_grad():
        found = float(error(network(noisy), clean).mean())
    network.train()
    return found


def cleaner(network: Any) -> Callable[[Any], Any]:
    """Give a function that cleans segments (n, 512) by a network of `train`."""

    def clean(noisy: Any) -> Any:
        deviations = noisy.std(axis=1, keepdims=True)
        with torch.no_grad():
            given = torch.tensor((noisy / deviations)[:, None], dtype=torch.float32)
            return network(given)[:, 0].numpy().astype(float) * deviations

    return clean


def _rectified(n_in: int, n_out: int) -> Any:
    """Give a convolution whose weights keep the variance through a rectifier (He et al. 2015).

    By torch's own, fourteen of them would leave nothing of a signal, and nothing to learn from.
    """
    layer = nn.Conv1d(n_in, n_out, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def _dense(n_in: int) -> list[Any]:
    return [nn.Flatten(), nn.Linear(n_in, SEGMENT), nn.Unflatten(1, (1, SEGMENT))]
