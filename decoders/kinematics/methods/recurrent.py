"""A recurrent network as a cursor decoder: one bin in, one velocity out, its state carried on.

The network is an ONNX file (`volition.decoders.fitting.network`) that takes the ``features`` of one
bin and what it carried from the bin before, and gives a ``velocity`` and what it carries on: a
gated recurrent unit or spiking neurons with their membranes, it is all the same here. Z-scores and
units are part of the file. It is trained elsewhere; nothing is fitted here.

A missing bin leaves the state as it is, and is rest.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.network import Network, State, load_network
from volition.decoders.kinematics.decoder import Follower, KinematicDecoder
from volition.decoders.kinematics.features import FeatureSettings
from volition.decoders.kinematics.settings import KinematicSettings
from volition.errors import DecodeError, ModelError, NotFittedError, SpecError

#: Names of the network's input and output, beside what it carries on.
INPUT, OUTPUT = "features", "velocity"
KIND: Literal["recurrent"] = "recurrent"
#: The length of a bin may differ from that of the training by this share.
_BIN_TOLERANCE = 0.01


class RecurrentSettings(KinematicSettings):
    """Settings of `RecurrentDecoder`."""

    kind: Literal["recurrent"] = KIND
    network: str | None = Field(
        default=None, description="Path of the network's files, or the name of one that ships."
    )

    @model_validator(mode="after")
    def _takes_features_as_they_are(self) -> RecurrentSettings:
        if self.features != FeatureSettings() or self.model is not None:
            raise ValueError("a network holds its own features' preparation, and is no 'model'")
        return self


class RecurrentDecoder(KinematicDecoder[RecurrentSettings]):
    """Decodes a velocity by a network that remembers."""

    settings_model: ClassVar[type[Settings]] = RecurrentSettings
    _network: Network | None = None

    @property
    def needs_model(self) -> bool:
        return False

    calibrate = FittedDecoder.calibrate  # which refuses: a network is trained

    @classmethod
    def fit(cls, *_given: Any, **_named: Any) -> FittedModel:
        """Refuse: a network is trained, which takes more than a calibration."""
        raise DecodeError(
            "a recurrent network is trained (docs/kinematics.md says how) and named in the "
            "decoder's setting 'network'; it cannot be fitted here"
        )

    def run_network(self, network: Network) -> None:
        """Decode by ``network`` from the next ``prepare`` on, whatever the settings name."""
        self._network = network

    def follower(self, n_features: int) -> tuple[Follower, int]:
        if self._network is None:
            if self.settings.network is None:
                raise NotFittedError(
                    f"{KIND} needs a network; train one and name it in the decoder's setting "
                    "'network'",
                    decoder=KIND,
                )
            self._network = load_network(self.settings.network, KIND)
        network = self._network
        self.model_version = network.version
        n_dimensions = _check(network, n_features, self.bin_s)
        return RecurrentFollower(network, n_dimensions), n_dimensions


def _check(network: Network, n_features: int, bin_s: float) -> int:
    """Give the velocity's dimensions, once the network is found to be for this signal."""
    manifest = network.manifest
    carried = {one.input for one in manifest.state}
    inputs = {one.name: one.shape for one in manifest.inputs if one.name not in carried}
    outputs = {one.name: one.shape for one in manifest.outputs}
    velocity = outputs.get(OUTPUT, ())
    if set(inputs) != {INPUT} or len(velocity) != 2 or not isinstance(velocity[1], int):
        raise ModelError(
            f"the network {manifest.name} must take {INPUT} (1, n) and what it carries on, and "
            f"give {OUTPUT} (1, n); found {inputs} and {outputs}"
        )
    if inputs[INPUT] != (1, n_features):
        raise SpecError(
            f"the network {manifest.name} takes features of shape {inputs[INPUT]}, and the signal "
            f"has {n_features} channels",
            expected=inputs[INPUT],
            found=n_features,
        )
    wanted = manifest.facts.get("bin_s")
    if isinstance(wanted, float | int) and abs(bin_s / wanted - 1) > _BIN_TOLERANCE:
        raise SpecError(
            f"the network {manifest.name} is for bins of {wanted:g} s, and these are of "
            f"{bin_s:g} s",
            expected=wanted,
            found=bin_s,
        )
    return velocity[1]


class RecurrentFollower:
    """Runs the network bin by bin and keeps what it carries on."""

    position: FloatArray | None = None

    def __init__(self, network: Network, n_dimensions: int) -> None:
        self._network = network
        self._still: FloatArray = np.zeros(n_dimensions)
        self.velocity = self._still
        self._state: State = network.start()
        error = network.manifest.facts.get("error_covariance")
        self.covariance: FloatArray = (
            np.zeros((n_dimensions, n_dimensions)) if error is None else np.array(error, np.float64)
        )
        if self.covariance.shape != (n_dimensions, n_dimensions):
            raise ModelError(
                f"error_covariance of the network {network.manifest.name} must be of "
                f"{n_dimensions} rows and columns; found {self.covariance.shape}"
            )

    def step(self, features: FloatArray | None) -> bool:
        if features is None:
            self.velocity = self._still
            return False
        outputs, self._state = self._network.step(self._state, **{INPUT: features[None, :]})
        self.velocity = outputs[OUTPUT][0].astype(np.float64)
        return True

    def see(self, position: list[float]) -> None:
        """Make nothing of it."""

    def resume(self, other: RecurrentFollower) -> None:
        shapes = {name: array.shape for name, array in self._state.items()}
        if shapes == {name: array.shape for name, array in other._state.items()}:
            self._state, self.velocity = other._state, other.velocity

    def restart(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._state = self._network.start()
        self.velocity = self._still

    def state(self) -> dict[str, Any]:
        return {"mean": self.velocity.tolist(), "covariance": self.covariance.tolist()}
