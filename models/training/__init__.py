"""Recipes that train networks and export them; they alone need the extra ``train``.

This module imports none of them before one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.network import NetworkManifest


class FurtherTraining(Protocol):
    """Trains a decoder's network further, on a calibration."""

    def __call__(
        self,
        settings: Any,
        calibration: CalibrationData,
        progress: Progress,
        *,
        start: tuple[NetworkManifest, bytes],
        name: str,
        source: str,
        licence: str,
        started_from: str | None = None,
    ) -> tuple[Calibrated, NetworkManifest, bytes]:
        """Train; give what came of it, and the network's two files."""


def _of_dnn() -> FurtherTraining:
    from volition.models.training.ssvep_dnn_calibration import calibrate

    return calibrate


FURTHER: Mapping[str, Callable[[], FurtherTraining]] = {"dnn": _of_dnn}
"""By the kind of the decoder (`Decoder.trained_further`), what imports its recipe."""


class Fitting(Protocol):
    """Trains a decoder's model on a calibration, from nothing."""

    def __call__(
        self, settings: Any, calibration: CalibrationData, progress: Progress
    ) -> Calibrated:
        """Train; give what came of it."""


def _of_network() -> Fitting:
    from volition.models.training.eegnet import calibrate

    return calibrate


FITTING: Mapping[str, Callable[[], Fitting]] = {"network": _of_network}
"""By the kind of the decoder, what imports the recipe that fits its model with torch."""
