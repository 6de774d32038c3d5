"""Judging decoders that are calibrated on their user: on their other trials, and nobody else's.

Where a data set is made of blocks, each block is scored by a fit to the person's other blocks (the
protocol of the literature). Elsewhere a recording is scored by a fit to the same person's earlier
recordings, and a person's first recording by a fit to its own first turns, which then are not
scored. No trial is ever on both sides, and none is split.

A calibration that the fit refuses (too few trials, not above chance) is no score: the recording is
listed with the reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality import personal
from volition.benchmarks.quality.datasets.ssvep_exo import Trial, TrialRecording
from volition.benchmarks.quality.pretraining import cleaned
from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.network import save_network
from volition.decoders.registry import decoders_by_kind
from volition.decoders.ssvep.estimator import REST, IntArray, filtered_windows
from volition.decoders.ssvep.methods.dnn import DnnSettings
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.templates import TemplateDecoder, TemplateSettings
from volition.decoders.ssvep.transfer.personal import PERSONAL, PersonalSettings
from volition.errors import ConfigError, DecodeError
from volition.service.sessions.config import SessionConfig

#: Data sets that are made of blocks.
BLOCKS = frozenset({"benchmark", "beta", "jfpm12"})
#: Data sets in which a person has one stretch of each target: none is left to calibrate on.
UNDIVIDED = frozenset({"benchmark_8", "ssvep_openbci"})
#: So many turns of each target are a person's calibration where nothing was recorded before.
FIRST_TURNS = 4
#: Signal before a window that settles the filters, where there is as much.
SETTLE_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A recording, the trials of it that are scored, and the session that does it.

    Attributes
    ----------
    session
        None where the calibration was refused.
    refused
        Why it was.
    """

    one: TrialRecording
    session: SessionConfig | None
    refused: str | None = None


def is_calibrated(config: SessionConfig) -> bool:
    """Say whether the decoder is to be fitted to each person: it is of that kind, with no model."""
    decoder = config.decoder
    if isinstance(decoder, DnnSettings):
        return decoder.network is None
    return isinstance(decoder, TemplateSettings) and decoder.model is None


def protocol(dataset: str, config: SessionConfig) -> str:
    """Say on what the decoder that is scored was fitted."""
    if isinstance(config.decoder, DnnSettings):
        return (
            "trained in two stages, each block left out in turn: on everybody's other blocks, then "
            "on the same person's"
        )
    shared = isinstance(config.decoder, PersonalSettings) and dataset == personal.DATASET
    weights = "; the weights learned from the other people alone" if shared else ""
    return _protocol(dataset) + weights


def _protocol(dataset: str) -> str:
    if dataset in BLOCKS:
        return "fitted to the same person's other blocks, each block left out in turn"
    return (
        "fitted to the same person's earlier recordings; a first recording to its first "
        f"{FIRST_TURNS} turns of each target, which are not scored"
    )


@contextlib.contextmanager
def for_each(
    dataset: str, recordings: Iterable[TrialRecording], config: SessionConfig
) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session to score it by, for as long as the block lasts.

    Raises
    ------
    ConfigError
        The data set has nothing to calibrate on.
    """
    if dataset in UNDIVIDED:
        raise ConfigError(
            f"{dataset} has one stretch of each target: {config.decoder.kind} cannot be calibrated "
            "there but on what is scored. Name a model, or a decoder that needs none",
            dataset=dataset,
        )
    judge = _judged
    if isinstance(config.decoder, DnnSettings):
        if dataset not in BLOCKS:
            raise ConfigError(
                f"dnn is trained where a data set is made of blocks: {', '.join(sorted(BLOCKS))}; "
                f"found {dataset}. Name a network, or choose another decoder",
                found=dataset,
                allowed=sorted(BLOCKS),
            )
        judge = _judged_by_networks
    with tempfile.TemporaryDirectory() as folder:
        yield judge(dataset, list(recordings), config, Path(folder))


def _judged(
    dataset: str, recordings: Sequence[TrialRecording], config: SessionConfig, folder: Path
) -> Iterator[Judged]:
    measured = [CutTrials.of(one, config) for one in recordings]
    shared: Mapping[int | None, FittedModel] = {}
    if dataset == personal.DATASET and isinstance(config.decoder, PersonalSettings):
        shared = personal.without_each(recordings, config)
    for number, one in enumerate(recordings):
        known, n_first = known_of(dataset, recordings, measured, number)
        scored = dataclasses.replace(one, trials=one.trials[n_first:])
        try:
            model = fitted(known, config, shared.get(one.person))
        except DecodeError as error:
            yield Judged(scored, None, error.message)
            continue
        path = model.save(folder / one.name)
        decoder = config.decoder.model_copy(update={"model": str(path)})
        yield Judged(scored, config.model_copy(update={"decoder": decoder}))


def _judged_by_networks(
    dataset: str, recordings: Sequence[TrialRecording], config: SessionConfig, folder: Path
) -> Iterator[Judged]:
    """Train both stages of the network for each block, on everything but that block."""
    settings = config.decoder
    assert isinstance(settings, DnnSettings)
    training, ssvep_dnn = _training()
    measured = [CutTrials.of(one, config) for one in recordings]
    blocks = _blocks_of(recordings)
    known = [(filtered_windows(settings, one.epochs, one.rate_hz), one.targets) for one in measured]
    for block in sorted(set(blocks)):
        others = [one for one, of in zip(known, blocks, strict=True) if of != block]
        if not others:
            raise ConfigError(f"{dataset}: one block alone leaves none to train on", found=1)
        start = training.first_stage(settings, others, training.USUAL_FIRST)
        for number in (k for k, of in enumerate(blocks) if of == block):
            one, own = recordings[number], known_of(dataset, recordings, measured, number)[0]
            learner = training.SecondStage(settings, own[0].rate_hz, start, training.USUAL)
            weights = learner.fit(*joined(own)).arrays
            shape = known[number][0].shape[1:]
            manifest, content = ssvep_dnn.exported(
                training.layers_of(weights, shape, len(settings.targets)),
                settings,
                own[0].rate_hz,
                shape[1],
                name=f"block-{number}",
                trained_on=f"{dataset}, without a block",
                licence="as the data set's",
            )
            save_network(folder, manifest, content)
            decoder = settings.model_copy(update={"network": str(folder / manifest.name)})
            yield Judged(one, config.model_copy(update={"decoder": decoder}))


def _training() -> tuple[Any, Any]:
    try:
        from volition.models.training import ssvep_dnn, ssvep_dnn_calibration
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"dnn without a network is trained, by torch, which is not installed ({error}): "
            "install the extra train (pip install 'volition[train]'), or name a network"
        ) from None
    return ssvep_dnn_calibration, ssvep_dnn


def _blocks_of(recordings: Sequence[TrialRecording]) -> list[int]:
    """Give each recording's number among its person's."""
    seen: dict[int | None, int] = {}
    numbers = []
    for one in recordings:
        numbers.append(seen.get(one.person, 0))
        seen[one.person] = numbers[-1] + 1
    return numbers


def known_of(
    dataset: str,
    recordings: Sequence[TrialRecording],
    measured: Sequence[CutTrials],
    number: int,
) -> tuple[list[CutTrials], int]:
    """Give what a recording may be calibrated on, and how many of its first trials are in it."""
    person = recordings[number].person
    same = [k for k, other in enumerate(recordings) if other.person == person]
    if dataset in BLOCKS:
        known = [measured[k] for k in same if k != number]
    else:
        known = [measured[k] for k in same if k < number]
    if known:
        return known, 0
    n_first = _first_turns(recordings[number].trials)
    return [measured[number].until(n_first)], n_first


def _first_turns(trials: Sequence[Trial]) -> int:
    """Give how many trials it takes until each target has had its first turns."""
    turns = dict.fromkeys({trial.freq_hz for trial in trials if trial.freq_hz}, 0)
    for number, trial in enumerate(trials):
        if trial.freq_hz:
            turns[trial.freq_hz] += 1
        if min(turns.values(), default=0) >= FIRST_TURNS:
            return number + 1
    return len(trials)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CutTrials:
    """Trials to fit to, as the session's decoder would see them.

    Attributes
    ----------
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
        Each ends with the window.
    targets : ndarray of int, shape (n_trials,)
    rate_hz
    """

    epochs: FloatArray
    targets: IntArray
    rate_hz: float

    @classmethod
    def of(cls, one: TrialRecording, config: SessionConfig) -> CutTrials:
        """Cut the trials out of a recording, behind the session's stages."""
        assert isinstance(config.decoder, SelectorSettings)
        return cls.of_each(one, config, [config.decoder.delay_s])[0]

    @classmethod
    def of_each(
        cls, one: TrialRecording, config: SessionConfig, delays_s: Sequence[float]
    ) -> list[CutTrials]:
        """Cut them out at several delays from the onset."""
        settings = config.decoder
        assert isinstance(settings, SelectorSettings)
        spec, chunks = cleaned(one, config)
        pieces = list(chunks)
        samples = np.concatenate([piece.samples for piece in pieces])
        times = np.concatenate([piece.times for piece in pieces])
        onsets = np.array([trial.onset for trial in one.trials])
        numbers = {target.freq_hz: number for number, target in enumerate(settings.targets)}
        targets = np.array([numbers.get(trial.freq_hz, REST) for trial in one.trials], np.int64)
        window = settings.window_samples(spec.rate_hz)
        found = []
        for delay_s in delays_s:
            starts = np.searchsorted(times, onsets + delay_s)
            settle = min(round(SETTLE_S * spec.rate_hz), int(starts.min()))
            inside = starts + window <= len(times)
            epochs = [samples[start - settle : start + window].T for start in starts[inside]]
            whole = np.array(epochs).reshape(-1, spec.n_channels, settle + window)
            found.append(cls(whole, targets[inside], spec.rate_hz))
        return found

    def until(self, n_trials: int) -> CutTrials:
        """Give the first trials alone."""
        return CutTrials(self.epochs[:n_trials], self.targets[:n_trials], self.rate_hz)


def joined(known: Sequence[CutTrials]) -> tuple[FloatArray, IntArray]:
    """Give the epochs of several, and their targets."""
    # A recording that began with a trial has less signal before its windows.
    n_samples = min(one.epochs.shape[2] for one in known)
    epochs = np.concatenate([one.epochs[..., -n_samples:] for one in known])
    return epochs, np.concatenate([one.targets for one in known])


def fitted(
    known: Sequence[CutTrials], config: SessionConfig, shared: FittedModel | None = None
) -> FittedModel:
    """Fit the session's decoder, from the weights ``shared`` by others where it has such.

    Raises
    ------
    DecodeError
        The fit refuses.
    """
    decoder = decoders_by_kind()[config.decoder.kind]
    assert issubclass(decoder, TemplateDecoder)
    estimator = decoder.estimator(config.decoder, known[0].rate_hz)
    if isinstance(estimator, PERSONAL):
        estimator.shared = shared
    return estimator.fit(*joined(known))
