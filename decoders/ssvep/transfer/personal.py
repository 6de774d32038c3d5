"""A SSVEP decoder that other people have trained and its user's own trials fit to them.

From the user's trials come two things that no other person knows. First, for each sub-band one
filter over the channels: the one whose output their flickers explain best, w maximising
sum w'X P X'w over sum w'X X'w with X a trial, each of power one, and P the projection onto its
target's sines.
No phase enters, so the flicker need not be locked to its marker. Second, the correlations of each
target are while the user looks at another: their own background, which is then taken away.

The correlations (`volition.decoders.ssvep.scores.contrast`) of all channels and those of the
filters' outputs stand side by side as twice as many sub-bands, and are weighed as in
`volition.decoders.ssvep.transfer.pretrained`, by weights that ship: learned from other people, each
calibrated as a user is. A dozen trials therefore have to teach little, and what they cannot tell is
known beforehand.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.decoders.ssvep.scores.bank import sub_band_weights
from volition.decoders.ssvep.scores.contrast import Contrast
from volition.decoders.ssvep.templates import (
    Arrays,
    TemplateDecoder,
    TemplateEstimator,
    TemplateSettings,
)
from volition.decoders.ssvep.transfer.pretrained import arrays_for, log_odds
from volition.errors import ConfigError, NotFittedError

#: Added to the total covariance's diagonal, as a share of its mean.
FILTER_RIDGE = 0.03
#: Name of the weights that ship.
SHARED = "ssvep-personal"
#: Lengths of windows, seconds, that the shipped weights are for.
WINDOWS_S = (1.0, 1.5, 2.0, 2.5, 3.0)


class PersonalSettings(TemplateSettings):
    """Settings of `PersonalDecoder` and `PERSONAL`."""

    kind: Literal["ssvep_personal"] = "ssvep_personal"
    n_harmonics: Literal[3] = Field(default=3, description="Harmonics that it uses.")
    band_high_hz: float = Field(
        default=65.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    window_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="One of the lengths that the weights were learned for.",
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Idle (low_confidence) unless the best target is so probable against rest.",
    )
    sharpness: Literal[1] = Field(default=1, description="Its scores are log-odds already.")

    def check(self, rate_hz: float, n_channels: int) -> None:
        super().check(rate_hz, n_channels)
        if self.window_s not in WINDOWS_S:
            raise ConfigError(
                f"{self.kind}: its weights are for windows of "
                f"{', '.join(f'{length:g}' for length in WINDOWS_S)} s; found {self.window_s:g} s",
                found=self.window_s,
                allowed=list(WINDOWS_S),
            )


class PERSONAL(TemplateEstimator[PersonalSettings]):
    """The decoder on epochs, as an estimator.

    Parameters
    ----------
    settings, rate_hz, model
        As for `TemplateEstimator`.
    shared
        The weights that others taught; those that ship when left out.
    """

    def __init__(
        self,
        settings: PersonalSettings,
        rate_hz: float,
        model: FittedModel | None = None,
        shared: FittedModel | None = None,
    ) -> None:
        super().__init__(settings, rate_hz, model)
        self.shared = shared
        self._contrasts: dict[tuple[int, int], Contrast] = {}

    def at_length(self, window_s: float) -> Self:
        return type(self)(self.settings.at(window_s), self.rate_hz, shared=self.shared)

    def learned(self, trials: FloatArray) -> Arrays:
        own = self.learned_alone(trials)
        shared = self.shared or load_model(SHARED)
        if shared.facts.get("n_channels") != trials.shape[3]:
            raise ConfigError(
                f"{self.settings.kind}: its weights are for {shared.facts.get('n_channels')} "
                f"channels; found {trials.shape[3]}. Choose as many with the stage pick or the "
                "stream's channels",
                found=trials.shape[3],
                allowed=shared.facts.get("n_channels"),
            )
        return own | arrays_for(shared, self.settings.window_s, 2 * self.settings.n_bands)

    def learned_alone(self, trials: FloatArray) -> Arrays:
        """Learn what is the person's own, without the weights of others; see `learned`."""
        arrays = {"filters": self._filters(trials)}
        n_targets = len(trials)
        means = [
            np.mean([self.measure(arrays, window)[0] for window in windows], axis=0)
            for windows in trials
        ]
        while_others = np.stack(
            [
                np.mean([mean[target] for other, mean in enumerate(means) if other != target], 0)
                for target in range(n_targets)
            ]
        )
        arrays["centre"] = while_others - while_others.mean(axis=0)
        return arrays

    def _filters(self, trials: FloatArray) -> FloatArray:
        """Give each sub-band's filter, shape (n_bands, n_channels)."""
        centred = trials - trials.mean(axis=-1, keepdims=True)
        power = np.square(centred).sum(axis=(-2, -1))[..., None, None]
        basis = self.basis(trials.shape[-1])[:, None, None]
        onto = centred @ np.swapaxes(basis, -2, -1)
        explained = (onto @ np.swapaxes(onto, -2, -1) / power).mean(axis=(0, 1))
        total = (centred @ np.swapaxes(centred, -2, -1) / power).mean(axis=(0, 1))
        n_channels = total.shape[-1]
        level = np.trace(total, axis1=1, axis2=2)[:, None, None] / n_channels
        total = total + FILTER_RIDGE * level * np.eye(n_channels)
        pairs = zip(explained, total, strict=True)
        return np.stack([scipy.linalg.eigh(one, whole)[1][:, -1] for one, whole in pairs])

    def measure(self, arrays: Arrays, window: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give correlations at and beside the targets, (n_targets, 2 n_bands, N_KINDS) each.

        Parameters
        ----------
        window : ndarray, shape (n_bands, n_channels, window_samples)
        """
        window = np.ascontiguousarray(window)
        output = np.ascontiguousarray(arrays["filters"][:, None] @ window)
        found = [self._contrast(one).measure(one) for one in (window, output)]
        return (
            np.concatenate([at for at, _ in found], axis=1),
            np.concatenate([beside for _, beside in found], axis=1),
        )

    def _contrast(self, window: FloatArray) -> Contrast:
        n_bands, n_channels, n_samples = window.shape
        if (n_channels, n_samples) not in self._contrasts:
            self._contrasts[n_channels, n_samples] = Contrast(
                self.settings.freqs_hz, n_bands, n_channels, self.rate_hz, n_samples
            )
        return self._contrasts[n_channels, n_samples]

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        """Give what each sub-band, of the channels and then of the filters, says of the targets."""
        at, _ = self.measure(arrays, window)
        weighed: FloatArray = np.einsum("tbk,bk->bt", at - arrays["centre"], arrays["choice"])
        return weighed

    def scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        """Give each target's log-odds against rest, shape (n_targets,)."""
        at, beside = self.measure(arrays, window)
        found: FloatArray = log_odds(arrays, at[None], beside[None], arrays["centre"][None])[0]
        return found

    def confidence(self, scores: FloatArray) -> float:
        return float(scipy.special.expit(scores.max()))


def lead(n_bands: int) -> FloatArray:
    """Give the weights that learning starts from: FBCCA's, half on channels, half on filters."""
    one = sub_band_weights(n_bands)
    return np.concatenate([one, one]) / 2


class PersonalDecoder(TemplateDecoder[PersonalSettings]):
    """Selects the target that the person's own trials and other people's say is looked at.

    ``evidence`` holds each target's log-odds against rest; ``confidence`` is the probability that
    the selection is right, rest being as likely as flicker.
    """

    settings_model: ClassVar[type[Settings]] = PersonalSettings
    estimator = PERSONAL

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        model = self.fitted_model()
        if "people" in model.facts:
            raise NotFittedError(
                f"{self.settings.kind}: {self.settings.model} holds what other people taught, from "
                "which a calibration starts, and nothing of this person; calibrate first",
                decoder=self.settings.kind,
            )
        super().make_ready(rate_hz, n_channels)
