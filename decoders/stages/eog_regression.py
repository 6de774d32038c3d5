"""Eye artifacts by regression: what the eye channels explain is subtracted.

The weights are the least squares of each channel on the references over the calibration, B =
(RᵀR)⁻¹ RᵀX (Gratton et al., Electroencephalogr. Clin. Neurophysiol. 55:468, 1983, without its
averages), taken where the references are large, so that they tell of the eyes and not of brain
activity that both see. The subtraction is made while the references are larger than brain
activity is (`volition.decoders.artifacts.references.ReferenceGate`), sample by sample, without
latency. The signal must be high-passed before. Where a reference is missing, its last good value
stands in.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.grid import BlockMap
from volition.decoders.artifacts.references import ReferenceGate, find_references, robust_deviation
from volition.decoders.artifacts.steps import Steps
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import regular_rate
from volition.decoders.stages.blocks import BlockStage, CalibratedSettings, Parameters
from volition.errors import NotFittedError


class ReferenceSettings(CalibratedSettings):
    """What stages with references have in common."""

    references: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Channels that show the eyes; when left out, those of kind EOG, those with EOG "
        "in their label, or else frontal electrodes.",
    )
    open_at: float = Field(
        default=6.0,
        ge=0,
        le=100,
        description="Subtract while a reference exceeds this many (robust) deviations; 0: always.",
    )
    release_s: float = Field(
        default=0.3, gt=0, le=5, description="How slowly the subtraction ends after an artifact."
    )
    proxy_strength: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How much is subtracted from frontal electrodes that stand in for eye channels "
        "themselves.",
    )


class EogRegressionSettings(ReferenceSettings):
    """Settings of `EogRegression`."""

    kind: Literal["eog_regression"] = "eog_regression"


S = TypeVar("S", bound=ReferenceSettings)

#: Deviations above which a reference's sample counts as the eyes'.
EYES_ABOVE = 3.0


class ReferenceStage(BlockStage[S]):
    """A stage that works on all channels, with references among them."""

    def channels(self, spec: SignalSpec) -> list[int]:
        return list(range(spec.n_channels))

    def begin(self) -> None:
        found = find_references(self.spec, self.settings.references, self.settings.kind)
        self._references, self._cleaned_channels = found.references, found.cleaned
        self._strength = np.ones(self.spec.n_channels)
        if found.proxy:
            self._strength[found.references] = self.settings.proxy_strength
        self._gate: ReferenceGate | None = None
        self._energy_removed = self._energy_in = self._open_samples = self._samples = 0.0

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Learn how large the references are, from ``samples`` (n_samples, n_channels).

        Raises
        ------
        NotFittedError
            There is less than a second of samples.
        """
        rate_hz = regular_rate(spec, self.settings.kind)
        if len(samples) < rate_hz:
            raise NotFittedError(
                f"{self.settings.kind}: {len(samples)} samples without gaps are too few to "
                f"calibrate on; at least {rate_hz:g} are needed",
                found=len(samples),
                allowed_from=rate_hz,
            )
        found = find_references(spec, self.settings.references, self.settings.kind)
        yield
        return {
            "n_channels": np.array(float(spec.n_channels)),
            "deviations": robust_deviation(samples[:, found.references]),
        }

    def adopt(self, parameters: Parameters) -> None:
        self._gate = None
        if self.settings.open_at > 0:
            self._gate = ReferenceGate(
                self.settings.open_at * parameters["deviations"],
                self.settings.release_s,
                self.rate_hz,
            )

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        """Decide nothing: these stages work sample by sample."""

    def subtract(self, samples: FloatArray, artifact: FloatArray) -> FloatArray:
        """Take an estimate of the artifact away, as far as the gate is open; keep count."""
        if self._gate is None:
            gains = np.ones(len(samples))
        else:
            gains = self._gate.gains(samples[:, self._references])
        self._samples += len(samples)
        is_open = gains > 0
        if not is_open.any():
            return samples
        removed = artifact * gains[:, None] * self._strength
        self._open_samples += float(is_open.sum())
        self._energy_in += float(np.square(samples[is_open][:, self._cleaned_channels]).sum())
        self._energy_removed += float(np.square(removed).sum())
        result: FloatArray = samples - removed
        return result

    def report(self) -> dict[str, Any]:
        return {
            "references": [self.spec.labels[i] for i in self._references],
            "repaired_share": self._open_samples / max(1.0, self._samples),
            "removed_share_of_energy_where_repaired": self._energy_removed
            / max(self._energy_in, 1e-300),
        }


class EogRegression(ReferenceStage[EogRegressionSettings]):
    """Subtract from every EEG channel what the references explain of it."""

    settings_model: ClassVar[type[Settings]] = EogRegressionSettings

    def begin(self) -> None:
        super().begin()
        self._map = BlockMap(self.block_samples, self.spec.n_channels)

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Learn the weights from high-passed ``samples`` (n_samples, n_channels).

        References that repeat each other share a weight (the pseudo-inverse).
        """
        parameters = yield from super().learn(samples, spec)
        found = find_references(spec, self.settings.references, self.settings.kind)
        references = samples[:, found.references]
        deviations = np.maximum(parameters["deviations"], 1e-9)
        telling = np.any(np.abs(references) > EYES_ABOVE * deviations, axis=1)
        if telling.sum() < 0.01 * len(samples):  # no blink to learn from: all samples must do
            telling = np.ones(len(samples), dtype=bool)
        weights = np.zeros((spec.n_channels, spec.n_channels))
        solution = np.linalg.pinv(references[telling], rcond=1e-6) @ samples[telling]
        weights[np.ix_(found.references, found.cleaned)] = solution[:, found.cleaned]
        return {**parameters, "weights": weights}

    def adopt(self, parameters: Parameters) -> None:
        super().adopt(parameters)
        self._weights = np.asarray(parameters["weights"])

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        return self.subtract(samples, self._map.apply(samples, offset, self._weights))
