"""The power of each channel in bins: the mean square, of a band when a band-pass comes before."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.stages.binned import BinnedSettings, BinnedStage


class BandPowerSettings(BinnedSettings):
    """Settings of `BandPower`."""

    kind: Literal["band_power"] = "band_power"
    scale: Literal["power", "amplitude", "log"] = Field(
        default="power", description="The mean square, its root, or its natural logarithm."
    )


class BandPower(BinnedStage[BandPowerSettings]):
    """Give the mean square of each bin."""

    settings_model: ClassVar[type[Settings]] = BandPowerSettings
    unit = "power"

    def restart(self) -> None:
        self._squares = np.zeros(self._n_channels)

    def take(self, rows: FloatArray) -> None:
        self._squares += np.einsum("ij,ij->i", rows, rows)

    def finish(self) -> FloatArray:
        power: FloatArray = self._squares / self._bin_samples
        self.restart()
        if self.settings.scale == "amplitude":
            np.sqrt(power, out=power)
        elif self.settings.scale == "log":
            # A flat channel has no logarithm; the smallest number stands for it.
            np.log(np.maximum(power, np.finfo(np.float64).tiny), out=power)
        return power
