"""The two-stage network of Guney et al.: learned from many people, then once more from its user.

O. B. Guney, M. Oblokulov, H. Ozkan, "A deep neural network for SSVEP-based brain-computer
interfaces", IEEE Trans. Biomed. Eng. 69:932, 2022. Three sub-bands are mixed to one, channels to
120 filters, and two convolutions over time lead to one number for each target. It is trained
elsewhere, with torch, and runs here as an ONNX file (`volition.decoders.fitting.network`).

The paper filters each epoch forwards and backwards. A live window has no samples after it, so the
same Chebyshev sections run forwards alone here, in training as in use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import FileName, Settings
from volition.decoders.fitting.network import Network, load_network
from volition.decoders.ssvep.estimator import EpochEstimator
from volition.decoders.ssvep.scores.bank import FilterBank
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict, softmax
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.templates import check_facts
from volition.decoders.ssvep.windows.epochs import Epoch
from volition.errors import ConfigError, ModelError, NotFittedError

#: Names of the network's input and output.
INPUT, OUTPUT = "windows", "logits"


class DnnSettings(SelectorSettings):
    """Settings of `DnnDecoder` and `DNN`."""

    kind: Literal["dnn"] = "dnn"
    network: FileName | None = Field(
        default=None, description="Path of the network's files, or the name of one that ships."
    )
    n_harmonics: Literal[1] = Field(default=1, description="It is told none.")
    n_subbands: int = Field(default=3, ge=1, le=20)
    band_high_hz: float = Field(
        default=90.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    band_order: int = Field(default=1, ge=1, le=12, description="Chebyshev order of each edge.")
    ripple_db: float = Field(default=1.0, gt=0, le=6, description="Ripple in the filters' band.")
    window_s: float = Field(default=0.4, gt=0, le=60)
    min_confidence: float = Field(
        default=0.0, ge=0, lt=1, description="Idle (low_confidence) below this confidence."
    )

    def bank(self, rate_hz: float, n_channels: int) -> FilterBank:
        return FilterBank(
            self.edges(rate_hz), self.band_order, rate_hz, n_channels, ripple_db=self.ripple_db
        )


def ready(settings: DnnSettings, network: Network, rate_hz: float, n_channels: int) -> Network:
    """Give ``network``; refuse one that was trained for something else.

    Raises
    ------
    ModelError
        It takes or gives something else.
    ConfigError
        It was trained for another rate, montage, window or set of targets.
    """
    manifest = network.manifest
    n_samples, n_targets = settings.window_samples(rate_hz), len(settings.targets)
    check_facts(settings, manifest.facts, rate_hz, n_channels)
    found = {tensor.name: tensor.shape for tensor in (*manifest.inputs, *manifest.outputs)}
    wanted = {INPUT: (1, settings.n_subbands, n_channels, n_samples), OUTPUT: (1, n_targets)}
    if found != wanted:
        raise ModelError(
            f"dnn: the network {manifest.name} must have {wanted}; found {found}",
            found=sorted(found),
        )
    return network


def logits(network: Network, window: FloatArray) -> FloatArray:
    """Give each target's logit for a window (n_bands, n_channels, window_samples)."""
    found = network.run(**{INPUT: window[None]})[OUTPUT][0]
    result: FloatArray = found.astype(np.float64)
    return result


class DNN(EpochEstimator[DnnSettings]):
    """The decoder on epochs, by a network that has been trained.

    Parameters
    ----------
    settings, rate_hz
        As for `EpochEstimator`.
    network
        One for these settings.
    """

    def __init__(self, settings: DnnSettings, rate_hz: float, network: Network) -> None:
        super().__init__(settings, rate_hz)
        self.network = network

    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        network = ready(self.settings, self.network, self.rate_hz, n_channels)
        return functools.partial(logits, network)

    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        idle: npt.NDArray[np.bool_] = softmax(scores).max(axis=1) < self.settings.min_confidence
        return idle


class DnnDecoder(SelectorDecoder[DnnSettings]):
    """Selects the target that the network finds most likely; ``evidence`` holds the logits."""

    settings_model: ClassVar[type[Settings]] = DnnSettings
    trained_further: ClassVar[bool] = True

    def __init__(self, settings: DnnSettings, network: Network | None = None) -> None:
        super().__init__(settings)
        self._network = network

    def use(self, network: Network) -> None:
        """Decode by ``network`` from the next ``prepare`` on, whatever the settings name."""
        self._network = network

    def _for_look(self, window_s: float) -> Self:
        raise ConfigError(
            "dnn: a network is for windows of one length, so stopping cannot be used with it",
            setting="stopping",
        )

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        if self._network is None:
            if self.settings.network is None:
                raise NotFittedError(
                    "dnn needs a network; train one (docs/ssvep.md) and name its "
                    "files in the decoder's setting 'network'",
                    decoder="dnn",
                )
            self._network = load_network(self.settings.network, "dnn")
        self._ready = ready(self.settings, self._network, rate_hz, n_channels)
        self.model_version = self._ready.version

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        scores = logits(self._ready, filtered)
        confidence = float(softmax(scores).max())
        if confidence < self.settings.min_confidence:
            below = 1.0 - confidence / self.settings.min_confidence
            return Verdict(scores, below, "low_confidence")
        return Verdict(scores, confidence)
