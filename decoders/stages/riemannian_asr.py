"""Riemannian artifact subspace reconstruction: ASR in coordinates in which clean data is white.

The calibration is averaged by the Riemannian mean, and a window is split into components in the
tangent space at that mean; see `volition.decoders.artifacts.subspace`. All else is
`volition.decoders.stages.asr`. The amplitudes along white components scatter less than those of
ASR, hence a cutoff of its own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.settings import Settings
from volition.decoders.stages.asr import SubspaceSettings, SubspaceStage


class RiemannianAsrSettings(SubspaceSettings):
    """Settings of `RiemannianAsr`."""

    kind: Literal["rasr"] = "rasr"
    cutoff: float = Field(
        default=30.0,
        gt=0,
        le=1000,
        description="Deviations above clean amplitudes from which on a component is removed.",
    )


class RiemannianAsr(SubspaceStage[RiemannianAsrSettings]):
    """ASR with Riemannian averages and components (after Blum et al. 2019)."""

    settings_model: ClassVar[type[Settings]] = RiemannianAsrSettings
    riemannian = True
