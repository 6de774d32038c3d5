"""Networks of the EEGNet family: trained elsewhere, run here.

The model holds the network as an ONNX file with its manifest, which says what goes in: the window
of each channel scaled to mean 0 and deviation 1. `volition.models.training.eegnet` trains such
networks, with torch (the extra ``train``); what decodes needs ONNX Runtime alone. A network that is
given volts for what it was trained on says little better than a guess, so scaling is part of the
method and not of whoever calls it.
"""

from __future__ import annotations

import json
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.method import Arrays, BandMethod, IntArray, normalised
from volition.decoders.classes.models import PLAIN, facts_of
from volition.decoders.classes.settings import BandSettings
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import (
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.network import Network, NetworkManifest, read_manifest
from volition.errors import ModelError

#: Names of the network's input and output.
INPUT, OUTPUT = "windows", "logits"
#: What the manifest says of the input's scale.
UNIT = "deviations of the channel in its window"
_ONNX, _MANIFEST = f"{PLAIN}_onnx", "network"

Architecture = Literal["eegnet", "shallow", "deep", "fusion", "mi_eegnet"]


class EegNetworkSettings(BandSettings):
    """Settings of `NetworkDecoder` and `NetworkMethod`."""

    kind: Literal["network"] = "network"
    architecture: Architecture = Field(
        default="eegnet", description="Which network a calibration trains."
    )
    low_hz: float = Field(default=4.0, gt=0, description="Lower edge of the band.")
    high_hz: float = Field(default=40.0, gt=0, description="Upper edge of the band.")


class NetworkMethod(BandMethod[EegNetworkSettings]):
    """The method: what goes into the network, and what comes out."""

    #: Set by whoever has a model.
    network: Network | None = None

    def feature(self, window: FloatArray) -> FloatArray:
        rows = window[0]
        spread = np.maximum(rows.std(axis=1, keepdims=True), 1e-9)
        result: FloatArray = (rows - rows.mean(axis=1, keepdims=True)) / spread
        return result

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        raise CalibrationError(
            "cannot-be-fitted", "a network is trained by volition.models.training.eegnet"
        )

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        assert self.network is not None
        logits = [self.network.run(**{INPUT: one[None]})[OUTPUT][0] for one in features]
        return normalised(np.stack(logits).astype(np.float64))


class NetworkDecoder(ClassDecoder[EegNetworkSettings]):
    """Tells classes by a network of the EEGNet family."""

    settings_model: ClassVar[type[Settings]] = EegNetworkSettings
    method = NetworkMethod

    @classmethod
    def example_model(cls, settings: EegNetworkSettings, spec: SignalSpec) -> FittedModel | None:  # noqa: ARG003 - of the contract
        """Give none: a network cannot be made here."""
        return None

    @classmethod
    def calibrate(
        cls,
        settings: EegNetworkSettings,  # noqa: ARG003 - of the contract
        calibration: CalibrationData,  # noqa: ARG003 - of the contract
        progress: Progress,  # noqa: ARG003 - of the contract
    ) -> Calibrated:
        """Refuse: whoever has torch calibrates by the recipe (`volition.models.training`)."""
        raise CalibrationError(
            "cannot-be-calibrated",
            "a network is trained with torch: install the extra train (pip install "
            "'volition[train]')",
            extra="train",
        )

    def _take_model(self, model: FittedModel, spec: SignalSpec) -> None:
        super()._take_model(model, spec)
        method = self._judge
        assert isinstance(method, NetworkMethod)
        method.network = network_of(model)
        shape = (1, len(self._used), self.settings.window_samples(method.rate_hz))
        found = method.network.manifest.inputs[0].shape
        if tuple(found) != shape:
            raise ModelError(
                f"network: the model takes windows of shape {found}; the session gives {shape}",
                found=list(shape),
            )


def model_of(
    method: NetworkMethod, channels: tuple[str, ...], manifest: NetworkManifest, content: bytes
) -> FittedModel:
    """Give the model that holds a network."""
    arrays = {_ONNX: np.frombuffer(content, np.uint8)}
    described = manifest.model_dump(mode="json")
    facts = facts_of(method, channels, [PLAIN], **{_MANIFEST: described})
    return FittedModel(method.settings.kind, arrays, facts)


def network_of(model: FittedModel) -> Network:
    """Give the network that a model holds, checked.

    Raises
    ------
    ModelError
        It holds none, or one that is not what its manifest says.
    """
    if _ONNX not in model.arrays or _MANIFEST not in model.facts:
        raise ModelError("the model for network holds no network")
    manifest = read_manifest(json.dumps(model.facts[_MANIFEST]), "the model")
    return Network(manifest, np.asarray(model.arrays[_ONNX], dtype=np.uint8).tobytes())
