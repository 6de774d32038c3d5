"""Learning the pretrained decoder from other people: windows, weights, and when to be idle.

`collect` runs a recording through the very filters, windows and re-centring of the live decoder.
`learn` fits the weights of which target (a conditional logit, so that a weight belongs to a kind of
correlation and never to a frequency), then the logistic model of whether there is any; both are
penalised, the first towards FBCCA's weights. The threshold of idle is set on people that the
weights have not seen, by leaving each out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.estimator import REST, IntArray, check_targets, filtered_windows
from volition.decoders.ssvep.scores.bank import sub_band_weights
from volition.decoders.ssvep.scores.contrast import FIRST_TWO, N_KINDS, Contrast
from volition.decoders.ssvep.transfer.pretrained import (
    Baseline,
    PretrainedSettings,
    arrays_for,
    log_odds,
    rest_features,
    weighed,
)
from volition.decoders.ssvep.windows.epochs import GRID_S, EpochWindows, n_grid_windows
from volition.errors import DecodeError

#: Penalty on the squared distance of the scaled choice weights from FBCCA's.
CHOICE_PENALTY = 0.1
#: The start is FBCCA's weights times this factor: about as sharp as its scores deserve.
FBCCA_SCALE = 8.0
#: Penalty on the squared weights of rest against flicker.
REST_PENALTY = 0.03
#: Selections a minute at rest that the threshold is set for; less than the one that is promised,
#: because it is set on the same trials that are then counted.
FALSE_PER_MIN = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TrainingWindows:
    """What was measured in the windows of one person.

    Attributes
    ----------
    at, beside, baseline : ndarray, shape (n_windows, n_targets, n_bands, N_KINDS)
    targets : ndarray of int, shape (n_windows,)
        `REST` at rest.
    counted : ndarray of bool, shape (n_windows,)
        Windows where the live decoder would decide; the others only add to what is learned from.
    """

    at: FloatArray
    beside: FloatArray
    baseline: FloatArray
    targets: IntArray
    counted: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[TrainingWindows]) -> TrainingWindows:
        """Put the windows of several together."""
        return cls(
            np.concatenate([part.at for part in parts]),
            np.concatenate([part.beside for part in parts]),
            np.concatenate([part.baseline for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.counted for part in parts]),
        )


def collect(
    settings: PretrainedSettings,
    spec: SignalSpec,
    chunks: Iterable[Chunk],
    trials: Sequence[tuple[float, int]],
    more_delays_s: Sequence[float] = (),
) -> TrainingWindows:
    """Measure the windows of a recording's trials as the live decoder does.

    Parameters
    ----------
    settings
        Settings of the decoder; its window and delay count.
    spec, chunks
        The signal as the decoder sees it, after the stages.
    trials
        Onset (LSL time) and target of each; `REST` for rest.
    more_delays_s
        Further starts of windows after the onsets, to learn from.
    """
    rate_hz, n_targets = spec.rate_hz, len(settings.targets)
    settings.check(rate_hz, spec.n_channels)
    window_samples = settings.window_samples(rate_hz)
    windows = EpochWindows(
        settings.bank(rate_hz, spec.n_channels),
        settings.n_subbands,
        spec.n_channels,
        rate_hz,
        window_samples=window_samples,
        step_samples=max(1, round(GRID_S * rate_hz)),
    )
    contrast = Contrast(
        settings.freqs_hz, settings.n_subbands, spec.n_channels, rate_hz, window_samples
    )
    baseline = Baseline(n_targets, settings.n_subbands, n_grid_windows(settings.window_s))
    # A window is told from the others of its trial by its due time, given as its onset.
    wanted: dict[float, tuple[int, bool]] = {}
    for onset, target in trials:
        for delay_s in (*more_delays_s, settings.delay_s):
            wanted[onset + delay_s] = (target, delay_s == settings.delay_s)
    for due in wanted:
        windows.ask(due, due)
    rows: list[tuple[FloatArray, FloatArray, FloatArray, int, bool]] = []
    for chunk in chunks:
        for epoch in windows.feed(chunk):
            if epoch.filtered is None:
                continue
            if epoch.t_trigger is None:
                baseline.add(epoch.end, contrast.measure_at(epoch.filtered))
            else:
                at, beside = contrast.measure(epoch.filtered)
                offset = baseline.before(epoch.end - window_samples)
                rows.append((at, beside, offset, *wanted[epoch.t_trigger]))
    shape = (len(rows), n_targets, settings.n_subbands, N_KINDS)
    return TrainingWindows(
        np.array([row[0] for row in rows]).reshape(shape),
        np.array([row[1] for row in rows]).reshape(shape),
        np.array([row[2] for row in rows]).reshape(shape),
        np.array([row[3] for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.bool_),
    )


def learn(
    people: Mapping[str, TrainingWindows],
    decision_s: float,
    *,
    false_per_min: float = FALSE_PER_MIN,
    lead: FloatArray | None = None,
) -> dict[str, FloatArray]:
    """Learn from people, and set the threshold of idle on each by what the others taught.

    Parameters
    ----------
    people
        Windows of each person, by any name.
    decision_s
        For how long a decision at rest counts as watched: a window.
    false_per_min
        Selections a minute at rest that are allowed.
    lead : ndarray, shape (n_bands,)
        Weights of the sub-bands that learning starts from; FBCCA's when left out.

    Raises
    ------
    DecodeError
        Fewer than two people, no rest or no flicker among all but one of them, or a window that
        has no correlations: a sample is missing, or too large to be squared.
    """
    if len(people) < 2:
        _refuse(people.values())
    for name, one in people.items():
        if not (np.isfinite(one.at).all() and np.isfinite(one.beside).all()):
            raise DecodeError(
                f"windows of {name} have no correlations: samples are missing, or too large",
                person=name,
            )
    at_rest: list[FloatArray] = []
    for name, unseen in people.items():
        others = [one for other, one in people.items() if other != name]
        model = _weights(others, lead)
        evidence = log_odds(model, unseen.at, unseen.beside, unseen.baseline).max(axis=1)
        at_rest.append(evidence[unseen.counted & (unseen.targets == REST)])
    found = np.sort(np.concatenate(at_rest))[::-1]
    n_allowed = math.floor(false_per_min * len(found) * decision_s / 60)
    threshold = found[min(n_allowed, len(found) - 1)] + 1e-9 if len(found) else -np.inf
    model = _weights(list(people.values()), lead)
    model["idle_log_odds"] = np.array([threshold])
    return model


def _refuse(people: Iterable[TrainingWindows]) -> NoReturn:
    every = list(people)
    targets = np.concatenate([windows.targets for windows in every])
    raise DecodeError(
        f"learning needs at least two people, rest and flicker; found {len(every)} people, "
        f"{int((targets == REST).sum())} windows at rest, {int((targets != REST).sum())} of "
        "flicker",
        found=len(every),
    )


def _weights(people: Sequence[TrainingWindows], lead: FloatArray | None) -> dict[str, FloatArray]:
    windows = TrainingWindows.joined(people)
    if (windows.targets == REST).all() or (windows.targets != REST).all():
        _refuse(people)
    model = _choice(windows, lead)
    scores = weighed(model, windows.at, windows.baseline)
    features = rest_features(windows.at, windows.beside, scores)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    weights, bias = _logistic((features - mean) / scale, windows.targets != REST)
    model |= {
        "rest_mean": mean,
        "rest_scale": scale,
        "rest_weights": weights,
        "rest_bias": np.array([bias]),
    }
    return model


def _choice(windows: TrainingWindows, lead: FloatArray | None) -> dict[str, FloatArray]:
    """Fit which target: a softmax over targets of weights shared by all of them."""
    flicker = windows.targets != REST
    rows = (windows.at - windows.baseline)[flicker]
    n_windows, n_targets, n_bands, _ = rows.shape
    targets = windows.targets[flicker]
    right = np.eye(n_targets)[targets]
    fbcca = np.zeros((n_bands, N_KINDS))
    fbcca[:, FIRST_TWO] = FBCCA_SCALE * (sub_band_weights(n_bands) if lead is None else lead)
    scale = rows.std(axis=(0, 1)) + 1e-9
    scaled = (rows / scale).reshape(n_windows, n_targets, -1)
    start = (fbcca * scale).ravel()

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        log_chances = scipy.special.log_softmax(scaled @ weights, axis=1)
        away = weights - start
        value = -float((log_chances * right).sum()) / n_windows
        slope = np.einsum("nt,ntd->d", np.exp(log_chances) - right, scaled) / n_windows
        return value + CHOICE_PENALTY * float(away @ away), slope + 2 * CHOICE_PENALTY * away

    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    return {"choice": found.reshape(n_bands, N_KINDS) / scale, "sharpness": np.ones(1)}


def _logistic(rows: FloatArray, positive: npt.NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Fit a logistic model in which both classes weigh as much."""
    n_rows, n_features = rows.shape
    share = positive.mean()
    each = np.where(positive, 0.5 / share, 0.5 / (1 - share)) / n_rows

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin = rows @ weights[:-1] + weights[-1]
        value = float((each * np.logaddexp(0, np.where(positive, -margin, margin))).sum())
        slope = each * (scipy.special.expit(margin) - positive)
        penalty = REST_PENALTY * float(weights[:-1] @ weights[:-1])
        gradient = np.append(rows.T @ slope + 2 * REST_PENALTY * weights[:-1], slope.sum())
        return value + penalty, gradient

    found = scipy.optimize.minimize(loss, np.zeros(n_features + 1), jac=True, method="L-BFGS-B").x
    return found[:-1], float(found[-1])


class PretrainedSSVEP:
    """The same decoder on epochs, as an estimator.

    Parameters
    ----------
    settings
        Those of the streaming decoder.
    rate_hz
        Sampling rate of the epochs.
    model
        What to decide by; `fit` replaces it.

    Notes
    -----
    An epoch's window is its last ``window_s``. Without a ``baseline`` there is no re-centring, as
    at the start of a stream.
    """

    def __init__(
        self, settings: PretrainedSettings, rate_hz: float, model: FittedModel | None = None
    ) -> None:
        self.settings = settings
        self.rate_hz = rate_hz
        self._arrays = None
        if model is not None:
            self._arrays = arrays_for(model, settings.window_s, settings.n_subbands)

    def fit(
        self, epochs: FloatArray, targets: npt.ArrayLike, people: Sequence[str]
    ) -> PretrainedSSVEP:
        """Learn from epochs of several people.

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
        targets : array-like of int, shape (n_trials,)
            Index of each trial's target, `REST` for none.
        people
            Whose each trial is.

        Raises
        ------
        DecodeError
            As for `learn`, or the lengths differ.
        """
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        at, beside = self._measure(epochs)
        whose = np.array(people)
        windows = {
            name: TrainingWindows(
                at[whose == name],
                beside[whose == name],
                np.zeros_like(at[whose == name]),
                wanted[whose == name],
                np.ones(int((whose == name).sum()), dtype=np.bool_),
            )
            for name in sorted(set(people))
        }
        self._arrays = learn(windows, self.settings.window_s)
        return self

    def decision_function(
        self, epochs: FloatArray, baseline: FloatArray | None = None
    ) -> FloatArray:
        """Give each target's log-odds against rest, shape (n_trials, n_targets).

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
        baseline : ndarray, shape (n_trials, n_targets, n_bands, N_KINDS)
            See `Baseline`.
        """
        if self._arrays is None:
            raise DecodeError("fit it, or give it a model, before it decides")
        at, beside = self._measure(epochs)
        offset = np.zeros_like(at) if baseline is None else baseline
        return log_odds(self._arrays, at, beside, offset)

    def predict(self, epochs: FloatArray, *, idle: bool = True) -> IntArray:
        """Give each trial's target, shape (n_trials,); `REST` where the decoder says idle."""
        evidence = self.decision_function(epochs)
        best: IntArray = evidence.argmax(axis=1).astype(np.int64)
        threshold = self.settings.idle_log_odds
        if threshold is None and self._arrays is not None:
            threshold = float(self._arrays["idle_log_odds"][0])
        if idle and threshold is not None:
            best[evidence.max(axis=1) < threshold] = REST
        return best

    def _measure(self, epochs: FloatArray) -> tuple[FloatArray, FloatArray]:
        windows = filtered_windows(self.settings, epochs, self.rate_hz)
        n_channels, window_samples = windows.shape[2:]
        contrast = Contrast(
            self.settings.freqs_hz,
            self.settings.n_subbands,
            n_channels,
            self.rate_hz,
            window_samples,
        )
        measured = [contrast.measure(window) for window in windows]
        return np.array([one[0] for one in measured]), np.array([one[1] for one in measured])
