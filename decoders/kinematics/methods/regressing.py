"""What the decoders that regress share: the choice of a regression, and what it does not know.

What a regression was fitted on says nothing of its errors. So it predicts bins that it did not
see, the last part of the training data or each of several blocks from the others, and the errors
are taken there; then it is fitted anew to all bins.
"""

from __future__ import annotations

import itertools
from typing import Annotated

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.kinematics.regression.gaussian_process import (
    GaussianProcess,
    GaussianProcessSettings,
)
from volition.decoders.kinematics.regression.kernel_ridge import KernelRidge, KernelRidgeSettings
from volition.decoders.kinematics.regression.linear import Linear, LinearSettings
from volition.decoders.kinematics.regression.multiple_kernel import (
    MultipleKernel,
    MultipleKernelSettings,
)
from volition.decoders.kinematics.regression.nadaraya_watson import (
    NadarayaWatson,
    NadarayaWatsonSettings,
)
from volition.decoders.kinematics.regression.network import NetworkRegression, NetworkSettings
from volition.decoders.kinematics.regression.random_forest import RandomForest, RandomForestSettings
from volition.decoders.kinematics.regression.regressor import Regressor
from volition.decoders.kinematics.settings import KinematicSettings
from volition.errors import DecodeError

REGRESSORS: dict[str, type[Regressor]] = {
    "gaussian-process": GaussianProcess,
    "kernel-ridge": KernelRidge,
    "linear": Linear,
    "multiple-kernel": MultipleKernel,
    "nadaraya-watson": NadarayaWatson,
    "network": NetworkRegression,
    "random-forest": RandomForest,
}

AnyRegressorSettings = Annotated[
    GaussianProcessSettings
    | KernelRidgeSettings
    | LinearSettings
    | MultipleKernelSettings
    | NadarayaWatsonSettings
    | NetworkSettings
    | RandomForestSettings,
    Field(discriminator="kind"),
]


class RegressionSettings(KinematicSettings):
    """Settings of a decoder that regresses."""

    regression: AnyRegressorSettings = NadarayaWatsonSettings()
    held_out: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="Last part of the training data, which errors are taken on.",
    )
    refit: bool = Field(
        default=True,
        description="Once the errors are known, fit again, on all of the training data.",
    )
    cross_fit: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="Number of blocks on which errors are taken, each predicted from the others, "
        "and not on the last part.",
    )


def fit_regression(
    settings: RegressionSettings, rows: FloatArray, states: FloatArray
) -> tuple[Regressor, FloatArray, slice]:
    """Fit f; give it, its predictions of bins that it did not see, and which bins those are.

    Raises
    ------
    DecodeError
        The features are too much alike for such a regression.
    """
    try:
        return _fitted_and_tried(settings, rows, states)
    except np.linalg.LinAlgError as error:
        raise DecodeError(
            f"a regression of kind {settings.regression.kind} cannot be fitted on these features "
            f"({error}): they are too much alike from bin to bin. Standardise them "
            "(features: {standardise: true}), or leave out those that do not vary",
            found=settings.regression.kind,
        ) from None


def _fitted_and_tried(
    settings: RegressionSettings, rows: FloatArray, states: FloatArray
) -> tuple[Regressor, FloatArray, slice]:
    regression = REGRESSORS[settings.regression.kind]
    if settings.cross_fit is None:
        n_learn = round((1.0 - settings.held_out) * len(rows))
        seen = slice(n_learn, len(rows))
        regressor = regression.fit(rows[:n_learn], states[:n_learn], settings.regression)
        predicted = regressor.predict(rows[seen])
        if settings.refit:
            chosen = regressor.as_chosen(settings.regression, rows[:n_learn])
            regressor = regression.fit(rows, states, chosen)
        return regressor, predicted, seen
    regressor = regression.fit(rows, states, settings.regression)
    chosen = regressor.as_chosen(settings.regression, rows)
    parts = []
    bounds = np.linspace(0, len(rows), settings.cross_fit + 1).astype(int).tolist()
    for start, stop in itertools.pairwise(bounds):
        learn = np.r_[0:start, stop : len(rows)]
        parts.append(regression.fit(rows[learn], states[learn], chosen).predict(rows[start:stop]))
    return regressor, np.concatenate(parts), slice(0, len(rows))
