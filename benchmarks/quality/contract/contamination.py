"""Data sets of trials into which artifacts are mixed: what they cost, and what stages win back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from volition.benchmarks.quality.contract.dataset import Dataset
from volition.benchmarks.quality.contract.denoising import Segments
from volition.benchmarks.quality.contract.trials import TrialDataset, TrialRecording

#: Microvolts, by kind of artifact.
Levels = Mapping[str, float]


class Mix(Protocol):
    """Mixes artifacts into a recording, at given levels."""

    def __call__(
        self, one: TrialRecording, segments: Segments, levels_uv: Levels, seed: int = 0
    ) -> TrialRecording: ...


class LoadSegments(Protocol):
    """Reads the waveforms of the artifacts, of people for testing alone."""

    def __call__(self, root: Path) -> Segments: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ContaminatedDataset(Dataset):
    """The recordings of another data set, untouched and with artifacts mixed in.

    Attributes
    ----------
    trials
        The data set whose recordings they are; they are read from the same folder.
    load_segments
        Reads the waveforms.
    mix
        Mixes them in.
    levels_uv
        Levels by name, as they are reported.
    conditions
        What is mixed in, by the name of the condition.
    """

    trials: TrialDataset
    load_segments: LoadSegments
    mix: Mix
    levels_uv: Mapping[str, Levels]
    conditions: Mapping[str, Levels]
