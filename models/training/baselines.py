"""The networks of EEGdenoiseNet's benchmark, by its description, to set a denoiser beside.

Zhang et al., J. Neural Eng. 18:056057, 2021 (fully connected, simple convolutional, residual
convolutional, recurrent), and Zhang et al., 2021 (arXiv 2105.14275: the novel convolutional one
against muscle). Each takes (n, 1, 512) and gives the same. They are trained by the mean squared
error, as there; see `train`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from models.training.atat import SEGMENT, Draw

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
        layers += [nn.Conv1d(n_in, n_out, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv1d(n_out, n_out, 3, padding=1), nn.ReLU()]
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


def train(
    name: str, draw: Draw, steps: int, *, batch: int = 40, seed: int = 0, rate: float = 5e-5
) -> Any:
    """Train one of `BASELINES` from nothing; give it, ready to run.

    Parameters
    ----------
    name
    draw
        Gives so many pairs, noisy and clean, each (n, 512).
    steps, batch, seed
        Batches, pairs in each (the benchmark's is 40), and of the random numbers.
    rate
        Of learning; the benchmark's is 5e-5, by Adam with its moments 0.5 and 0.9.
    """
    torch.manual_seed(seed)
    network = BASELINES[name]()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.9))
    for _ in range(steps):
        noisy, clean = (torch.tensor(one[:, None], dtype=torch.float32) for one in draw(batch))
        loss = (network(noisy) - clean).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def cleaner(network: Any) -> Callable[[Any], Any]:
    """Give a function that cleans segments (n, 512) by a network of `train`."""

    def clean(noisy: Any) -> Any:
        deviations = noisy.std(axis=1, keepdims=True)
        with torch.no_grad():
            given = torch.tensor((noisy / deviations)[:, None], dtype=torch.float32)
            return network(given)[:, 0].numpy().astype(float) * deviations

    return clean


def _dense(n_in: int) -> list[Any]:
    return [nn.Flatten(), nn.Linear(n_in, SEGMENT), nn.Unflatten(1, (1, SEGMENT))]
