"""A decoder that needs a fitted model, and how it is calibrated.

A session names the model in the setting ``model``; whoever has the model already gives it by
`FittedDecoder.use`. It is read once, in ``prepare``.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import (
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
)
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.errors import ModelError, NotFittedError


class FittedSettings(Settings):
    """Settings of a decoder that needs a fitted model."""

    model: str | None = Field(
        default=None,
        description="Path of the fitted model's .npz file, or the name of one that ships.",
    )


S = TypeVar("S", bound=FittedSettings)


class FittedDecoder(Decoder[S]):
    """A decoder that needs a fitted model: the one it was given, or the one its settings name."""

    def __init__(self, settings: S, model: FittedModel | None = None) -> None:
        super().__init__(settings)
        self._model = model

    @classmethod
    def calibrate(
        cls,
        settings: S,
        calibration: CalibrationData,  # noqa: ARG003 - of the contract
        progress: Progress,  # noqa: ARG003 - of the contract
    ) -> Calibrated:
        """Learn from a marked signal.

        Parameters
        ----------
        settings
            Those that would decode.
        calibration
            The signal behind the stages, and what was asked of the person.
        progress
            Told how far it is.

        Raises
        ------
        CalibrationError
            It cannot be used; ``fields["reason"]`` says why.
        """
        raise CalibrationError(
            "cannot-be-calibrated", f"a decoder of kind {settings.kind} is not calibrated by trials"
        )

    @classmethod
    def refresh(cls, settings: S, calibration: CalibrationData) -> FittedModel:  # noqa: ARG003 - of the contract
        """Fit a model to what a calibration has brought so far, unscored.

        A decoder whose trials can be guided while newer models take over (`PositionTrials`) has it.

        Raises
        ------
        CalibrationError
            The signal cannot be used, or not yet; or such a decoder has nothing of the kind.
        """
        raise CalibrationError(
            "cannot-be-calibrated",
            f"a decoder of kind {settings.kind} takes up no model while it is calibrated",
        )

    def use(self, model: FittedModel) -> None:
        """Decode by ``model`` from the next ``prepare`` on, whatever the settings name."""
        self._model = model

    def fitted_model(self) -> FittedModel:
        """Give the model to decode by, reading it where that has not been done.

        Raises
        ------
        NotFittedError
            None was given and the settings name none.
        ModelError
            The settings name one that cannot be read, or it is another decoder's.
        """
        kind = self.settings.kind
        if self._model is None:
            if self.settings.model is None:
                raise NotFittedError(
                    f"{kind} needs a fitted model; fit one and name its .npz file in the "
                    "decoder's setting 'model'",
                    decoder=kind,
                )
            self._model = load_model(self.settings.model)
        if self._model.kind != kind:
            raise ModelError(
                f"{kind} was given a model that was fitted for {self._model.kind}",
                expected=kind,
                found=self._model.kind,
            )
        self.model_version = self._model.version
        return self._model

    def parameter(self, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.float64]:
        """Give an array of the model as float64, contiguous; ``None`` in ``shape``: any length.

        Raises
        ------
        ModelError
            The model lacks it, or it has another shape or holds what is not finite.
        """
        model = self.fitted_model()
        if name not in model.arrays:
            raise ModelError(
                f"the model for {model.kind} lacks the array {name!r}; it holds "
                f"{', '.join(sorted(model.arrays))}",
                array=name,
            )
        array = np.asarray(model.arrays[name], dtype=np.float64, order="C")
        fits = array.ndim == len(shape) and all(
            wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
        )
        if not fits or not np.isfinite(array).all():
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise ModelError(
                f"the array {name!r} of the model for {model.kind} must be finite and of shape "
                f"({wanted}); found {array.shape}",
                array=name,
            )
        return array
