"""A SSVEP decoder that other people have trained: its user calibrates nothing.

Which target: the squared canonical correlations of the sub-bands
(`volition.decoders.ssvep.scores.contrast`) are weighed by what told targets apart in other people;
weights start from FBCCA's and move only as far as the data ask. First each target's correlations
are re-centred by what they were, in this signal so far, while another target led: a person's own
background favours some frequencies. It must be while *another* led: centring by all that came
before learns which targets have had their turn, and where each has equally many turns that is
knowledge of the answer.

Whether at all: a logistic model, rest against flicker, on the best target's correlations, those
beside it in frequency and those of the others. Every number means the same for every target.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import FileName, Settings
from volition.decoders.fitting.decoder import FittedDecoder, FittedSettings
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.scores.bank import sub_band_weights
from volition.decoders.ssvep.scores.contrast import FIRST_TWO, N_KINDS, Contrast
from volition.decoders.ssvep.scores.while_others_led import WhileOthersLed
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.windows.epochs import GRID_S, Epoch, n_grid_windows
from volition.errors import ConfigError, ModelError


class PretrainedSettings(SelectorSettings, FittedSettings):
    """Settings of `PretrainedDecoder`."""

    kind: Literal["ssvep_pretrained"] = "ssvep_pretrained"
    model: FileName | None = Field(
        default=FileName("ssvep-pretrained"),
        description="Path of the fitted model's .npz file, or the name of one that ships.",
    )
    n_harmonics: Literal[3] = Field(default=3, description="Harmonics that it uses.")
    band_high_hz: float = Field(
        default=65.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    window_s: float = Field(
        default=2.0, gt=0, le=60, description="One of the lengths that the model was learned for."
    )
    idle_log_odds: float | None = Field(
        default=None,
        description="Idle unless the log-odds of the best target against rest reach this; that of "
        "the model when left out.",
    )


class Baseline(WhileOthersLed):
    """Mean of each target's correlations over the windows in which another target led.

    Parameters
    ----------
    n_targets, n_bands
        Shape of what is averaged, (n_targets, n_bands, N_KINDS).
    n_kept
        How many windows back it can be asked for.
    """

    def __init__(self, n_targets: int, n_bands: int, n_kept: int) -> None:
        super().__init__((n_targets, n_bands, N_KINDS), n_kept)
        self._lead = sub_band_weights(n_bands)

    def add(self, end: int, at: FloatArray) -> None:
        """Take the correlations of the window that ended with sample ``end``."""
        if np.isfinite(at).all():
            self.take(end, at, int((at[:, :, FIRST_TWO] @ self._lead).argmax()))


def weighed(model: dict[str, FloatArray], at: FloatArray, baseline: FloatArray) -> FloatArray:
    """Give the score of each target, shape (..., n_targets).

    Parameters
    ----------
    at, baseline : ndarray, shape (..., n_targets, n_bands, N_KINDS)
    """
    scores: FloatArray = np.einsum("...tbk,bk->...t", at - baseline, model["choice"])
    return scores


def rest_features(at: FloatArray, beside: FloatArray, scores: FloatArray) -> FloatArray:
    """Give what tells rest from flicker, shape (n_windows, n_features), for the best target.

    Parameters
    ----------
    at, beside : ndarray, shape (n_windows, n_targets, n_bands, N_KINDS)
    scores : ndarray, shape (n_windows, n_targets)
    """
    n_windows, n_targets = scores.shape
    rows = np.sqrt(np.concatenate([at, beside], axis=2)).reshape(n_windows, n_targets, -1)
    best = np.take_along_axis(rows, scores.argmax(axis=1)[:, None, None], axis=1)[:, 0]
    others = (rows.sum(axis=1) - best) / (n_targets - 1)
    ranked = np.sort(scores, axis=1)
    lead = ranked[:, -1:] - ranked[:, -2:-1]
    return np.concatenate([best, others, lead], axis=1)


def log_odds(
    model: dict[str, FloatArray], at: FloatArray, beside: FloatArray, baseline: FloatArray
) -> FloatArray:
    """Give each target's log-odds against rest, shape (n_windows, n_targets).

    It is the log-odds of flicker against rest plus the log-probability of the target if there is
    flicker.
    """
    scores = weighed(model, at, baseline)
    features = (rest_features(at, beside, scores) - model["rest_mean"]) / model["rest_scale"]
    flicker = features @ model["rest_weights"] + model["rest_bias"][0]
    which = scipy.special.log_softmax(model["sharpness"][0] * scores, axis=1)
    result: FloatArray = flicker[:, None] + which
    return result


def arrays_for(model: FittedModel, window_s: float, n_bands: int) -> dict[str, FloatArray]:
    """Give the model's arrays for windows of one length.

    Raises
    ------
    ConfigError
        It was not learned for that length, or for as many sub-bands.
    ModelError
        Its arrays are not those of such a model.
    """
    prefix = f"{round(1000 * window_s)}ms/"
    lengths = sorted({float(name.split("ms/")[0]) / 1000 for name in model.arrays if "ms/" in name})
    arrays = {
        name.removeprefix(prefix): np.asarray(array, dtype=np.float64)
        for name, array in model.arrays.items()
        if name.startswith(prefix)
    }
    if not arrays:
        raise ConfigError(
            f"{model.kind}: the model was not learned for windows of {window_s:g} s; allowed: "
            f"{', '.join(f'{length:g}' for length in lengths)}",
            found=window_s,
            allowed=lengths,
        )
    # Those of a personal decoder stand twice: of the channels, and of the person's filters.
    filters = 2 if model.kind == "ssvep_personal" else 1
    choice = arrays.get("choice")
    learned = n_bands if choice is None or not choice.ndim else len(choice)
    if learned != n_bands:
        raise ConfigError(
            f"{model.kind}: the model was learned for {learned // filters} sub-bands; found "
            f"{n_bands // filters} (n_subbands)",
            setting="n_subbands",
            found=n_bands // filters,
            allowed=learned // filters,
        )
    n_features = 4 * n_bands * N_KINDS + 1
    shapes = {
        "choice": (n_bands, N_KINDS),
        "sharpness": (1,),
        "rest_mean": (n_features,),
        "rest_scale": (n_features,),
        "rest_weights": (n_features,),
        "rest_bias": (1,),
        "idle_log_odds": (1,),
    }
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ModelError(
                f"the model for {model.kind} needs a finite array {prefix}{name} of shape {shape}",
                array=name,
            )
    return arrays


class PretrainedDecoder(FittedDecoder[PretrainedSettings], SelectorDecoder[PretrainedSettings]):
    """Selects the target that other people's data say is looked at, or says idle.

    ``evidence`` holds each target's log-odds against rest (`log_odds`); ``confidence`` is the
    probability that the selection is right, rest being as likely as flicker.
    """

    settings_model: ClassVar[type[Settings]] = PretrainedSettings
    grid_s: ClassVar[float | None] = GRID_S

    def _for_look(self, window_s: float) -> Self:
        return type(self)(self.settings.at(window_s), self.fitted_model())

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        settings = self.settings
        model = self.fitted_model()
        wanted = model.facts.get("n_channels")
        if wanted != n_channels:
            raise ConfigError(
                f"ssvep_pretrained: the model was learned from {wanted} channels; found "
                f"{n_channels}. Choose as many with the stage pick or the stream's channels",
                found=n_channels,
                allowed=wanted,
            )
        self._arrays = arrays_for(model, settings.window_s, settings.n_subbands)
        self._threshold = (
            float(self._arrays["idle_log_odds"][0])
            if settings.idle_log_odds is None
            else settings.idle_log_odds
        )
        self._grid_samples = max(1, round(GRID_S * rate_hz))
        window_samples = settings.window_samples(rate_hz)
        self._window_samples = window_samples
        self._contrast = Contrast(
            settings.freqs_hz, settings.n_subbands, n_channels, rate_hz, window_samples
        )
        n_targets, n_kept = len(settings.targets), n_grid_windows(settings.window_s)
        self._baseline = Baseline(n_targets, settings.n_subbands, n_kept)

    def forget_learned(self) -> None:
        self._baseline.reset()

    def learn_from(self, epoch: Epoch) -> None:
        if epoch.filtered is not None:
            window = np.ascontiguousarray(epoch.filtered[..., -self._window_samples :])
            self._baseline.add(epoch.end, self._contrast.measure_at(window))

    def _is_asked(self, epoch: Epoch) -> bool:
        if epoch.t_trigger is not None or self.settings.trigger == "sliding":
            return True
        for judge in self._judges:
            judge.learn_from(epoch)
        return False

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        at, beside = self._contrast.measure(filtered)
        baseline = self._baseline.before(epoch.end - self._window_samples)
        if epoch.t_trigger is None and epoch.end % self._grid_samples == 0:
            self._baseline.add(epoch.end, at)
        return verdict(
            log_odds(self._arrays, at[None], beside[None], baseline[None])[0], self._threshold
        )


def verdict(evidence: FloatArray, threshold: float) -> Verdict:
    """Say selection or idle from each target's log-odds against rest."""
    best = float(evidence.max())
    if best < threshold:
        return Verdict(evidence, float(scipy.special.expit(-best)), "rest")
    return Verdict(evidence, float(scipy.special.expit(best)))
