"""Eye artifacts by the multi-channel Wiener filter, fitted on a mask of blinks.

The calibration has blinks in it; when they last is told by the references, or by a mask that
``fit`` is given. From then on the filter estimates the artifact in every EEG channel from all
channels, eye channels among them, and their recent past (`volition.decoders.artifacts.wiener`). It
is subtracted while the direction that artifacts enlarge most is larger than it is without them.
Sample by sample, without latency. The signal must be high-passed before. A calibration without
blinks goes on until there were some.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.grid import BlockMap
from volition.decoders.artifacts.references import ReferenceGate, find_references, signal_channels
from volition.decoders.artifacts.steps import Steps, finish
from volition.decoders.artifacts.wiener import artifact_mask, fit_wiener_steps
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import regular_rate
from volition.decoders.stages.blocks import BlockStage, CalibratedSettings, Parameters
from volition.errors import NotFittedError


class WienerFilterSettings(CalibratedSettings):
    """Settings of `WienerFilter`."""

    kind: Literal["mwf"] = "mwf"
    references: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Channels that show the eyes, for the calibration's mask; when left out, those "
        "of kind EOG, those with EOG in their label, or else frontal electrodes.",
    )
    calibration_s: float = Field(
        default=60.0,
        ge=1,
        le=600,
        description="Length of the calibration, during which samples pass unchanged.",
    )
    taps: int = Field(
        default=5, ge=1, le=32, description="Samples of each channel, the newest among them."
    )
    spacing_s: float = Field(default=0.02, gt=0, le=1, description="Between those samples.")
    shrinkage: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="How far covariances are drawn towards white noise: a minute of calibration "
        "knows little of the smaller directions.",
    )
    open_at: float = Field(
        default=6.0,
        ge=0,
        le=100,
        description="Subtract while the artifact's direction exceeds this many deviations; 0: "
        "always.",
    )
    release_s: float = Field(default=0.4, gt=0, le=5, description="How slowly that ends.")


#: Less of a calibration than this share is too little of blinks, more too little of the rest.
LEAST_MASKED, MOST_MASKED = 0.01, 0.8


def _input_channels(spec: SignalSpec) -> list[int]:
    """Give the channels that the filter reads: EEG, which is cleaned, and eye channels."""
    eyes = {i for i, kind in enumerate(spec.kinds) if kind.upper() == "EOG"}
    return sorted({*signal_channels(spec), *eyes})


class WienerFilter(BlockStage[WienerFilterSettings]):
    """Subtract the Wiener filter's estimate of the artifact (Somers et al. 2018)."""

    settings_model: ClassVar[type[Settings]] = WienerFilterSettings

    def channels(self, spec: SignalSpec) -> list[int]:
        return _input_channels(spec)

    def begin(self) -> None:
        n = len(self.picks)
        self._spacing = self._spacing_samples(self.rate_hz)
        self._past = np.zeros(((self.settings.taps - 1) * self._spacing, n))
        self._map = BlockMap(self.block_samples, self.settings.taps * n)
        self._filter: FloatArray | None = None
        self._gate: ReferenceGate | None = None
        self._energy_in = self._energy_removed = 0.0
        self._open_samples = self._samples = 0
        if self._given is None:
            find_references(self.spec, self.settings.references, self.settings.kind)

    def fit(
        self,
        samples: FloatArray,
        spec: SignalSpec,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> dict[str, FloatArray]:
        """Learn the filter from high-passed ``samples`` (n_samples, n_channels) with blinks.

        Parameters
        ----------
        samples, spec
            The calibration.
        mask : ndarray of bool, shape (n_samples,), optional
            True while an artifact lasts; found by the references when left out.

        Raises
        ------
        NotFittedError
            There are hardly any artifacts, or hardly anything else.
        """
        return finish(self.learn(samples, spec, mask))

    def learn(
        self,
        samples: FloatArray,
        spec: SignalSpec,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> Steps[dict[str, FloatArray]]:
        rate_hz = regular_rate(spec, "mwf")
        if mask is None:
            found = find_references(spec, self.settings.references, "mwf")
            mask = artifact_mask(samples[:, found.references], rate_hz)
        share = float(mask.mean()) if len(mask) else 0.0
        if not LEAST_MASKED <= share <= MOST_MASKED:
            raise NotFittedError(
                f"mwf: artifacts last {share:.1%} of the calibration; between {LEAST_MASKED:.0%} "
                f"and {MOST_MASKED:.0%} are needed: blink now and then while it lasts",
                found=share,
                allowed=[LEAST_MASKED, MOST_MASKED],
            )
        picks = _input_channels(spec)
        estimate, detector, deviation = yield from fit_wiener_steps(
            samples[:, picks],
            mask,
            self.settings.taps,
            self._spacing_samples(rate_hz),
            self.settings.shrinkage,
        )
        cleaned = set(signal_channels(spec))
        estimate[:, [i for i, channel in enumerate(picks) if channel not in cleaned]] = 0.0
        return {
            "n_channels": np.array(float(len(picks))),
            "filter": estimate,
            "detector": detector,
            "deviation": deviation,
        }

    def adopt(self, parameters: Parameters) -> None:
        self._filter = np.asarray(parameters["filter"])
        # One product gives both the estimate and, in its last column, the detector.
        self._both = np.column_stack([self._filter, parameters["detector"]])
        self._gate = None
        if self.settings.open_at > 0:
            thresholds = self.settings.open_at * np.atleast_1d(parameters["deviation"])
            self._gate = ReferenceGate(thresholds, self.settings.release_s, self.rate_hz)

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        if self._filter is None:
            self._remember(block)

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        n, n_past = len(samples), len(self._past)
        longer = np.concatenate([self._past, samples])
        stacked = np.concatenate(
            [longer[n_past - shift : n_past - shift + n] for shift in self._shifts()], axis=1
        )
        self._remember(samples)
        product = self._map.apply(stacked, offset, self._both)
        artifact, detected = product[:, :-1], product[:, -1:]
        gains = np.ones(n) if self._gate is None else self._gate.gains(detected)
        self._samples += n
        is_open = gains > 0
        if not is_open.any():
            return samples
        removed = artifact * gains[:, None]
        self._open_samples += int(is_open.sum())
        self._energy_in += float(np.square(samples[is_open]).sum())
        self._energy_removed += float(np.square(removed).sum())
        cleaned: FloatArray = samples - removed
        return cleaned

    def report(self) -> dict[str, Any]:
        return {
            "repaired_share": self._open_samples / max(1, self._samples),
            "removed_share_of_energy_where_repaired": self._energy_removed
            / max(self._energy_in, 1e-300),
        }

    def _spacing_samples(self, rate_hz: float) -> int:
        return max(1, round(self.settings.spacing_s * rate_hz))

    def _shifts(self) -> range:
        return range(0, self.settings.taps * self._spacing, self._spacing)

    def _remember(self, samples: FloatArray) -> None:
        n_past = len(self._past)
        if n_past:
            self._past = np.concatenate([self._past, samples])[-n_past:]
