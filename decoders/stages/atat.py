"""Muscle activity by networks: an autoencoder, and a transformer for what is still noisy.

Each channel by itself, in windows of 2 s every ``step_s``. The autoencoder cleans each window; how
well its output correlates with the window is a proxy of the noise in it. A window that comes out as
it went in was clean and passes unchanged, to the bit; the others go on to the transformer, whose
output takes their place (after Choi, arXiv 2502.05332, 2025).
From one window's output to the next it is cross-faded over ``step_s``, so that a sample waits for
at most two steps: 2 s with the full overlap, 0.25 s with a step of 0.125 s, which cleans less well.

The networks know signals of 256 Hz that were high-passed before (0.5 to 1 Hz).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.grid import raised_cosine
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.network import Network, load_network
from volition.decoders.stages.blocks import BlockStage
from volition.errors import ConfigError, ModelError

#: Largest relative difference of the rate from the networks': their bands move by as much.
RATE_TOLERANCE = 0.05


class AtatSettings(Settings):
    """Settings of `Atat`."""

    kind: Literal["atat"] = "atat"
    autoencoder: str = Field(
        default="atat-autoencoder",
        description="Path of its network, or the name of one that ships.",
    )
    transformer: str = Field(
        default="atat-transformer",
        description="Path of its network, or the name of one that ships.",
    )
    step_s: float = Field(
        default=1.0,
        ge=0.05,
        le=1.0,
        description="From window to window; a sample waits for up to two steps.",
    )
    clean_above: float = Field(
        default=0.91, gt=0, lt=1, description="Proxy from which on a window passes unchanged."
    )
    noisy_below: float = Field(
        default=0.86,
        gt=0,
        lt=1,
        description="Proxy up to which a window is replaced altogether; between, in part.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> AtatSettings:
        if self.noisy_below >= self.clean_above:
            raise ValueError(
                f"noisy_below must be less than clean_above; found {self.noisy_below:g} and "
                f"{self.clean_above:g}"
            )
        return self


class Atat(BlockStage[AtatSettings]):
    """Autoencoder and transformer against muscle activity, one channel at a time."""

    settings_model: ClassVar[type[Settings]] = AtatSettings

    def block_s(self) -> float:
        return self.settings.step_s

    def lookahead_blocks(self) -> int:
        return 2

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        self._autoencoder = load_network(self.settings.autoencoder, "atat")
        self._transformer = load_network(self.settings.transformer, "atat")
        self._samples = _window_samples(self._autoencoder, "noisy", "coded")
        if self._samples != _window_samples(self._transformer, "both", "cleaned"):
            raise ModelError(f"atat: both networks must take windows of {self._samples} samples")
        self._check_rate(spec.rate_hz)
        return super().prepare(spec)

    def begin(self) -> None:
        n = len(self.picks)
        self._window = np.zeros((self._samples, n))
        self._rise = raised_cosine(self.block_samples)[:, None]
        self._filled_samples = 0
        #: What the last window, and the one before it, make of the block that is to go out.
        self._newer: FloatArray | None = None
        self._older: FloatArray | None = None
        #: What the last window makes of its newest block.
        self._newest: FloatArray | None = None
        self._windows = self._noisy_windows = 0
        self._energy_in = self._energy_removed = 0.0

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        n = len(block)
        self._window[:-n] = self._window[n:]
        self._window[-n:] = block
        self._filled_samples = min(self._samples, self._filled_samples + n)
        self._older, self._newer = self._newest, None
        if self._filled_samples < self._samples:
            return
        cleaned = self.clean_segments(self._window.T).T
        self._newer, self._newest = cleaned[-2 * n : -n].copy(), cleaned[-n:].copy()

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        older = samples if self._older is None else self._older
        newer = samples if self._newer is None else self._newer
        cleaned: FloatArray = older + self._rise * (newer - older)
        return cleaned

    def clean_segments(self, segments: FloatArray) -> FloatArray:
        """Clean segments that are each one window, (n, n_samples), by themselves."""
        middles = segments.mean(axis=1, keepdims=True)
        centred = segments - middles
        scales = np.maximum(centred.std(axis=1, keepdims=True), 1e-9)
        noisy = (centred / scales)[:, None]
        coded = self._autoencoder.run(noisy=noisy)["coded"]
        proxies = _correlations(noisy[:, 0], coded[:, 0].astype(np.float64))
        low, high = self.settings.noisy_below, self.settings.clean_above
        shares = np.clip((high - proxies) / (high - low), 0.0, 1.0)
        chosen = np.flatnonzero(shares > 0)
        self._windows += len(segments)
        self._noisy_windows += len(chosen)
        if not len(chosen):
            return segments
        both = np.concatenate([noisy[chosen], coded[chosen]], axis=1)
        output = self._transformer.run(both=both)["cleaned"][:, 0].astype(np.float64)
        removed = shares[chosen, None] * (centred[chosen] - output * scales[chosen])
        self._energy_in += float(np.square(centred[chosen]).sum())
        self._energy_removed += float(np.square(removed).sum())
        cleaned = segments.copy()
        cleaned[chosen] -= removed
        return cleaned

    def report(self) -> dict[str, Any]:
        return {
            "networks": {
                "autoencoder": self._autoencoder.version,
                "transformer": self._transformer.version,
            },
            "repaired_share": self._noisy_windows / max(1, self._windows),
            "removed_share_of_energy_where_repaired": self._energy_removed
            / max(self._energy_in, 1e-300),
        }

    def _check_rate(self, rate_hz: float) -> None:
        wanted = float(str(self._autoencoder.manifest.facts.get("rate_hz", 0)))
        if abs(rate_hz - wanted) > RATE_TOLERANCE * wanted:
            raise ConfigError(
                f"atat: its networks know signals of {wanted:g} Hz (within {RATE_TOLERANCE:.0%}), "
                f"and the signal has {rate_hz:g} Hz; put a resample stage before it",
                found=rate_hz,
                expected=wanted,
            )


def _window_samples(network: Network, given: str, made: str) -> int:
    """Give the length of the windows that a network takes, once it is found to be of this kind."""
    manifest = network.manifest
    inputs, outputs = [one.name for one in manifest.inputs], [one.name for one in manifest.outputs]
    length = manifest.inputs[0].shape[-1]
    if (inputs, outputs) != ([given], [made]) or not isinstance(length, int):
        raise ModelError(
            f"atat: the network {manifest.name} takes {', '.join(inputs)} and gives "
            f"{', '.join(outputs)}; it must take windows of one length, {given}, and give {made}",
            network=manifest.name,
        )
    return length


def _correlations(first: FloatArray, second: FloatArray) -> FloatArray:
    """Give Pearson's correlation of each row; 0 where one of them is constant."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    found: FloatArray = (first * second).sum(axis=1) / np.maximum(norms, 1e-12)
    return found
