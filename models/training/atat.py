"""AT-AT: an autoencoder, and behind it a transformer for what the autoencoder left noisy.

After Choi (arXiv 2502.05332, 2025), of which only the outline is public; sizes and losses are ours.
A convolutional autoencoder cleans a segment y. How well its output correlates with y is a proxy of
how much noise there was: a segment that comes out as it went in was clean. The others go on to a
small transformer on patches of y and of the autoencoder's output, which corrects the latter. A
discriminator on the waveform and its spectrum, trained against both, keeps the output like EEG.

Segments are divided by their standard deviation before, as in EEGdenoiseNet (Zhang et al., J.
Neural Eng. 18:056057, 2021), whose networks are in `volition.models.training.baselines`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn

from volition.decoders.fitting.network import NetworkManifest
from volition.models.training.export import onnx_content

#: Gives a number of pairs, noisy and clean.
Draw: TypeAlias = Callable[[int], tuple[Any, Any]]
#: Samples of a segment, and of a patch of it.
SEGMENT, PATCH = 512, 16
#: Version of ONNX's operators.
OPSET = 20
WIDTH, HEADS, LAYERS, FEED = 48, 4, 2, 96
#: Weights of the losses beside the relative squared error.
CORRELATION_WEIGHT, ADVERSARIAL_WEIGHT, AUTOENCODER_WEIGHT = 1.0, 1e-3, 0.5


def autoencoder() -> Any:
    """Give the autoencoder: (n, 1, 512) to (n, 1, 512), through 64 channels at an eighth of it."""
    layers: list[Any] = []
    for n_in, n_out, width in ((1, 16, 7), (16, 32, 5), (32, 64, 5)):
        layers += [
            nn.Conv1d(n_in, n_out, width, stride=2, padding=width // 2, bias=False),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
        ]
    for n_in, n_out, width in ((64, 32, 5), (32, 16, 5)):
        layers += [
            nn.ConvTranspose1d(
                n_in, n_out, width, stride=2, padding=width // 2, output_padding=1, bias=False
            ),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
        ]
    layers.append(nn.ConvTranspose1d(16, 1, 7, stride=2, padding=3, output_padding=1))
    return nn.Sequential(*layers)


class Attention(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Self-attention written out, so that it is exported as plain products."""

    def __init__(self) -> None:
        super().__init__()
        self.to_all = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Any) -> Any:
        n = SEGMENT // PATCH
        parts = self.to_all(tokens).reshape(-1, n, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5, dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(-1, n, WIDTH))


class Block(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A transformer's layer, normalised before each part."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.feed = nn.Sequential(nn.Linear(WIDTH, FEED), nn.GELU(), nn.Linear(FEED, WIDTH))

    def forward(self, tokens: Any) -> Any:
        tokens = tokens + self.attention(self.first(tokens))
        return tokens + self.feed(self.second(tokens))


class Transformer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Corrects the autoencoder's output: (n, 2, 512), noisy and coded, to (n, 1, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv1d(2, WIDTH, 2 * PATCH, stride=PATCH, padding=PATCH // 2)
        self.position = nn.Parameter(0.02 * torch.randn(1, SEGMENT // PATCH, WIDTH))
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.normal = nn.LayerNorm(WIDTH)
        # A patch reaches half a patch into its neighbours, so that none begins with a step.
        self.out = nn.ConvTranspose1d(WIDTH, 1, 2 * PATCH, stride=PATCH, padding=PATCH // 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, both: Any) -> Any:
        tokens = self.embed(both).transpose(1, 2) + self.position
        tokens = self.normal(self.blocks(tokens))
        return both[:, 1:] + self.out(tokens.transpose(1, 2))


class AtAt(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Both parts, without the gate between them: (n, 1, 512) to coded and cleaned, the same."""

    def __init__(self) -> None:
        super().__init__()
        self.autoencoder = autoencoder()
        self.transformer = Transformer()

    def forward(self, noisy: Any) -> tuple[Any, Any]:
        coded = self.autoencoder(noisy)
        return coded, self.transformer(torch.cat([noisy, coded], dim=1))


class Discriminator(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Says how much a segment is like EEG, by its waveform and its log spectrum."""

    def __init__(self) -> None:
        super().__init__()

        def stack() -> Any:
            layers: list[Any] = []
            for n_in, n_out in ((1, 8), (8, 16), (16, 16)):
                layers += [nn.Conv1d(n_in, n_out, 9, stride=4, padding=4), nn.LeakyReLU(0.2)]
            return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(4), nn.Flatten())

        self.wave, self.spectrum = stack(), stack()
        self.out = nn.Linear(128, 1)

    def forward(self, segments: Any) -> Any:
        scaled = segments / (segments.std(dim=-1, keepdim=True) + 1e-4)
        power = torch.fft.rfft(scaled, dim=-1).abs().square()
        logs = torch.log(power[..., : SEGMENT // 2] + 1e-2)
        return self.out(torch.cat([self.wave(scaled), self.spectrum(logs)], dim=1))


def correlation(given: Any, wanted: Any) -> Any:
    """Give Pearson's correlation of each segment."""
    given = given - given.mean(dim=-1, keepdim=True)
    wanted = wanted - wanted.mean(dim=-1, keepdim=True)
    norms = given.norm(dim=-1) * wanted.norm(dim=-1)
    return ((given * wanted).sum(dim=-1) / (norms + 1e-6)).squeeze(1)


def error(given: Any, wanted: Any) -> Any:
    """Give the loss of each segment: squared error relative to what is wanted, and correlation.

    Relative, so that a segment of -7 dB, whose EEG is a fifth of the whole, counts as much as one
    of 2 dB; its root is the relative error that the evaluation gives.
    """
    squared = (given - wanted).square().mean(dim=(1, 2))
    relative = squared / (wanted.square().mean(dim=(1, 2)) + 1e-3)
    return relative + CORRELATION_WEIGHT * (1 - correlation(given, wanted))


def train(draw: Draw, steps: int, *, batch: int = 64, seed: int = 0, rate: float = 4e-3) -> AtAt:
    """Train both parts together from nothing; give the network, ready to run.

    Parameters
    ----------
    draw
        Gives a number of pairs, noisy and clean, each (n, 512).
    steps
        Batches.
    batch, seed, rate
        Pairs at once, of the random numbers, and the largest learning rate (Adam, one cycle).
    """
    torch.manual_seed(seed)
    network, judge = AtAt(), Discriminator()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    against = torch.optim.Adam(judge.parameters(), lr=5e-4, betas=(0.5, 0.9))
    for _ in range(steps):
        noisy, clean = (torch.tensor(one[:, None], dtype=torch.float32) for one in draw(batch))
        loss = _adversarial_step(network, judge, against, noisy, clean)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    network.eval()
    return network


def _adversarial_step(
    network: AtAt, judge: Discriminator, against: Any, noisy: Any, clean: Any
) -> Any:
    """Teach the discriminator; give the network's loss."""
    coded, cleaned = network(noisy)
    verdicts = judge(torch.cat([clean, cleaned.detach()]))
    wanted = torch.cat([torch.ones(len(clean), 1), torch.zeros(len(clean), 1)])
    against.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(verdicts, wanted).backward()
    against.step()
    fooled = nn.functional.softplus(-judge(cleaned)).mean()
    loss = error(cleaned, clean).mean() + AUTOENCODER_WEIGHT * error(coded, clean).mean()
    return loss + ADVERSARIAL_WEIGHT * fooled


def exported(
    network: AtAt, *, rate_hz: float, **more: Any
) -> dict[str, tuple[NetworkManifest, bytes]]:
    """Give both parts as ONNX files with their manifests, by name; ``more`` are fields of those."""
    samples = ("n", 1, SEGMENT)
    parts = {
        "autoencoder": (network.autoencoder, "noisy", samples, "coded"),
        "transformer": (network.transformer, "both", ("n", 2, SEGMENT), "cleaned"),
    }
    found = {}
    for part, (layers, given, shape, made) in parts.items():
        content = onnx_content(
            layers,
            (torch.zeros(2, *shape[1:]),),
            inputs=[given],
            outputs=[made],
            opset=OPSET,
            any_first_axis=True,
        )
        name = f"atat-{part}"
        found[name] = (
            NetworkManifest.of(
                content,
                name=name,
                kind="atat",
                inputs=[{"name": given, "shape": shape, "unit": "1"}],
                outputs=[{"name": made, "shape": samples, "unit": "1"}],
                facts={"rate_hz": rate_hz, "scaled_by": "the noisy segment's standard deviation"},
                **more,
            ),
            content,
        )
    return found
