"""Artifact subspace reconstruction (ASR): blinks, muscle bursts and pops rebuilt away.

Every ``step_s`` the covariance of the last ``window_s`` is held against a calibration on clean
data (`volition.decoders.artifacts.subspace`). While nothing is too large, samples come out as they
came in, to the bit. Otherwise the signal is multiplied by the repair found, and from one repair to
the next it is blended by a raised cosine over one step. With ``lookahead_s``, 0.256 s unless
another is given, the repair reaches back to where the artifact began, at the price of that latency;
with 0 nothing waits, and the first ``step_s`` or so of an artifact passes.

The signal must be high-passed before (0.5 to 1 Hz): a drift would count as an artifact.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.amplitudes import clean_samples_steps
from volition.decoders.artifacts.grid import BlockMap, raised_cosine
from volition.decoders.artifacts.references import signal_channels
from volition.decoders.artifacts.shape import shape_sections
from volition.decoders.artifacts.steps import Steps, pieces
from volition.decoders.artifacts.subspace import Repair, RepairFinder, Subspace, fit_subspace_steps
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import SosFilter, regular_rate
from volition.decoders.stages.blocks import (
    BlockStage,
    CalibratedSettings,
    Parameters,
    check_varies,
)
from volition.errors import NotFittedError


class SubspaceSettings(CalibratedSettings):
    """What `Asr` and `RiemannianAsr` have in common."""

    cutoff: float = Field(
        default=20.0,
        gt=0,
        le=1000,
        description="Deviations above clean amplitudes from which on a component is removed: the "
        "smaller, the more is removed. 10 to 30 is usual.",
    )
    calibration_s: float = Field(
        default=60.0,
        ge=2,
        le=600,
        description="Length of the calibration, which tells what is clean; samples pass unchanged "
        "meanwhile.",
    )
    window_s: float = Field(default=0.5, gt=0, le=5, description="What a decision looks at.")
    step_s: float = Field(default=0.032, gt=0, le=1, description="From decision to decision.")
    lookahead_s: float = Field(
        default=0.256,
        ge=0,
        le=5,
        description="How long samples wait to be cleaned by what follows them; rounded to whole "
        "steps. Half of window_s centres a decision on its window; 0 waits for nothing, and lets "
        "an artifact's beginning pass.",
    )
    max_removed_share: float = Field(
        default=0.66, gt=0, le=1, description="Share of the components that may be removed at once."
    )
    max_bad_share: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Share of channels that may be bad in a window that still calibrates.",
    )


class AsrSettings(SubspaceSettings):
    """Settings of `Asr`."""

    kind: Literal["asr"] = "asr"


#: Fewer seconds than this of clean signal are too few for thresholds.
LEAST_CALIBRATION_S = 1.5

S = TypeVar("S", bound=SubspaceSettings)


class SubspaceStage(BlockStage[S]):
    """ASR in either geometry; see the module."""

    riemannian: ClassVar[bool]

    def block_s(self) -> float:
        return self.settings.step_s

    def lookahead_blocks(self) -> int:
        return round(self.settings.lookahead_s * self.rate_hz / self.block_samples)

    def begin(self) -> None:
        n = len(self.picks)
        self._shape = SosFilter(shape_sections(self.rate_hz), n)
        n_blocks = max(1, math.ceil(self.settings.window_s * self.rate_hz / self.block_samples))
        self._recent = np.zeros((n_blocks, n, n))
        self._n_recent = 0
        self._map = BlockMap(self.block_samples, n)
        self._rise = raised_cosine(self.block_samples)[:, None]
        # One channel has nothing to be rebuilt from, and n channels only what one of them keeps.
        self._max_removed = min(round(self.settings.max_removed_share * n), n - 1)
        self._finder: RepairFinder | None = None
        self._now: Repair | None = None
        self._before: Repair | None = None
        self._repaired_blocks = 0
        self._energy_in = self._energy_removed = 0.0

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Learn clean data from high-passed ``samples`` (n_samples, n_channels).

        Raises
        ------
        NotFittedError
            The samples last less than `LEAST_CALIBRATION_S`, or do not vary.
        """
        rate_hz = regular_rate(spec, self.settings.kind)
        if len(samples) < LEAST_CALIBRATION_S * rate_hz:
            raise NotFittedError(
                f"{self.settings.kind}: {len(samples) / rate_hz:.1f} s of signal without gaps is "
                f"too little to calibrate on; at least {LEAST_CALIBRATION_S:g} s are needed",
                found=len(samples) / rate_hz,
                allowed_from=LEAST_CALIBRATION_S,
            )
        picked = samples[:, signal_channels(spec)]
        yield
        kept = yield from clean_samples_steps(
            picked,
            round(self.settings.window_s * rate_hz),
            max_bad_share=self.settings.max_bad_share,
        )
        shape = SosFilter(shape_sections(rate_hz), picked.shape[1])
        shaped = np.empty((int(kept.sum()), picked.shape[1]))
        n_shaped = 0
        for some in pieces(len(picked), round(rate_hz)):
            part = shape.process(picked[some].copy())[kept[some]]
            shaped[n_shaped : n_shaped + len(part)] = part
            n_shaped += len(part)
            yield
        check_varies(shaped, self.settings.kind)
        subspace = yield from fit_subspace_steps(
            shaped, rate_hz, window_s=self.settings.window_s, riemannian=self.riemannian
        )
        return {
            **subspace.to_arrays(),
            "n_channels": np.array(float(picked.shape[1])),
            "clean_share": np.array(float(kept.mean())),
        }

    def adopt(self, parameters: Parameters) -> None:
        self._finder = RepairFinder(
            Subspace.from_arrays(parameters), self.settings.cutoff, self._max_removed
        )
        self._clean_share = float(parameters.get("clean_share", np.array(1.0)))

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        shaped = np.ascontiguousarray(self._shape.process(block))
        self._recent[self._n_recent % len(self._recent)] = shaped.T @ shaped / len(shaped)
        self._n_recent += 1
        if self._finder is None:
            return
        self._before = self._now
        covariance = self._recent[: self._n_recent].mean(axis=0)
        self._now = self._finder.find(covariance)
        self._repaired_blocks += self._now is not None

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        before, now = self._before, self._now
        if before is None and now is None:
            return samples
        share = self._rise[offset : offset + len(samples)]
        new = samples if now is None else self._map.apply(samples, offset, now.matrix.T)
        if before is now:
            cleaned = new
        else:
            old = samples if before is None else self._map.apply(samples, offset, before.matrix.T)
            cleaned = share * new + (1 - share) * old
        self._energy_in += float(np.square(samples).sum())
        self._energy_removed += float(np.square(samples - cleaned).sum())
        return cleaned

    def report(self) -> dict[str, Any]:
        if self._finder is None:
            return {}
        blocks = max(1, self._blocks_seen)
        return {
            "clean_share_of_calibration": self._clean_share,
            "removing": 0 if self._now is None else self._now.n_removed,
            "repaired_share": self._repaired_blocks / blocks,
            "removed_share_of_energy_where_repaired": self._energy_removed
            / max(self._energy_in, 1e-300),
        }


class Asr(SubspaceStage[AsrSettings]):
    """Artifact subspace reconstruction (Mullen et al. 2015)."""

    settings_model: ClassVar[type[Settings]] = AsrSettings
    riemannian = False
