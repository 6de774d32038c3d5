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

from volition.benchmarks.quality.contract.dataset import installed
from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    TrialDataset,
    TrialRecording,
)
from volition.benchmarks.quality.learning import personal
from volition.benchmarks.quality.learning.cut_trials import FIRST_TURNS, CutTrials, joined, known_of
from volition.benchmarks.quality.learning.protocols import (
    REFITTED,
    STRANGER,
    TAUGHT,
    Assigned,
    Judged,
    Protocol,
    assigned,
)
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.network import save_network
from volition.decoders.registry import decoders_by_kind
from volition.decoders.ssvep.estimator import filtered_windows
from volition.decoders.ssvep.methods.dnn import DnnSettings
from volition.decoders.ssvep.templates import TemplateDecoder, TemplateSettings
from volition.decoders.ssvep.transfer.personal import PERSONAL, SHARED, PersonalSettings
from volition.errors import ConfigError, DecodeError
from volition.service.sessions.config import SessionConfig


def is_calibrated(config: SessionConfig) -> bool:
    """Say whether the decoder is to be fitted to each person: it is of that kind, with no model."""
    decoder = config.decoder
    if isinstance(decoder, DnnSettings):
        return decoder.network is None
    return isinstance(decoder, TemplateSettings) and decoder.model is None


#: Said of the weights that a personal calibration starts from, by how its person is scored.
_WEIGHTS = {
    REFITTED: "; the weights learned from the other people alone",
    STRANGER: "; the weights those that ship, which this person has not taught",
    TAUGHT: "; the weights those that ship, which this person has taught: no test of them",
}
_OF_NETWORKS = (
    "trained in two stages, each block left out in turn: on everybody's other blocks, then on the "
    "same person's"
)


def protocol(dataset: TrialDataset) -> str:
    """Say on what of a person's own a decoder is fitted that is scored."""
    if dataset.calibrate_on is CalibrateOn.OTHER_BLOCKS:
        return "fitted to the same person's other blocks, each block left out in turn"
    return (
        "fitted to the same person's earlier recordings, and accepted by leaving each of these out "
        "where there are several, else blocks; a first recording fitted to its first "
        f"{FIRST_TURNS} turns of each target, which are not scored"
    )


@contextlib.contextmanager
def for_each(
    dataset: TrialDataset,
    recordings: Iterable[TrialRecording],
    config: SessionConfig,
    wanted: Protocol | None = None,
) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session to score it by, for as long as the block lasts.

    The weights that a personal calibration starts from are taken as in
    `volition.benchmarks.quality.learning.protocols`.

    Raises
    ------
    ConfigError
        The data set has nothing to calibrate on.
    """
    if dataset.calibrate_on is CalibrateOn.NOTHING:
        raise ConfigError(
            f"{dataset.name} has one stretch of each target: {config.decoder.kind} cannot be "
            "calibrated there but on what is scored. Name a model, or a decoder that needs none",
            dataset=dataset.name,
        )
    is_network = isinstance(config.decoder, DnnSettings)
    if is_network and dataset.calibrate_on is not CalibrateOn.OTHER_BLOCKS:
        allowed = _made_of_blocks()
        raise ConfigError(
            f"dnn is trained where a data set is made of blocks: {', '.join(allowed)}; "
            f"found {dataset.name}. Name a network, or choose another decoder",
            found=dataset.name,
            allowed=allowed,
        )
    known = list(recordings)
    with tempfile.TemporaryDirectory() as folder:
        if is_network:
            yield _judged_by_networks(dataset, known, config, Path(folder))
            return
        if not isinstance(config.decoder, PersonalSettings):
            plain = [Assigned(one, False, "") for one in known]
            yield _judged(dataset, plain, config, Path(folder), {})
            return
        people, learned = assigned(known, SHARED, wanted)
        shared = personal.without_each(dataset, learned, config) if learned else {}
        yield _judged(dataset, people, config, Path(folder), shared)


def _made_of_blocks() -> list[str]:
    """Give the names of the installed data sets that are made of blocks."""
    return sorted(
        name
        for name, one in installed().items()
        if isinstance(one.dataset, TrialDataset)
        and one.dataset.calibrate_on is CalibrateOn.OTHER_BLOCKS
    )


def _judged(
    dataset: TrialDataset,
    people: Sequence[Assigned],
    config: SessionConfig,
    folder: Path,
    shared: Mapping[int | None, FittedModel],
) -> Iterator[Judged]:
    recordings = [found.one for found in people]
    measured = [CutTrials.of(one, config) for one in recordings]
    for number, found in enumerate(people):
        one, said = found.one, protocol(dataset) + _WEIGHTS.get(found.protocol, "")
        known, n_first = known_of(dataset, recordings, measured, number)
        scored = dataclasses.replace(one, trials=one.trials[n_first:])
        if found.refused:
            yield Judged(scored, None, said, found.refused)
            continue
        try:
            model = fitted(known, config, shared[one.person] if found.refit else None)
        except DecodeError as error:
            yield Judged(scored, None, said, error.message)
            continue
        path = model.save(folder / one.name)
        decoder = config.decoder.model_copy(update={"model": str(path)})
        session = config.model_copy(update={"decoder": decoder})
        stated = {} if n_first else model.facts
        promised, left_out = stated.get("accuracy"), stated.get("left_out")
        yield Judged(scored, session, said, promised=promised, left_out=left_out)


def _judged_by_networks(
    dataset: TrialDataset, recordings: Sequence[TrialRecording], config: SessionConfig, folder: Path
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
            raise ConfigError(f"{dataset.name}: one block alone leaves none to train on", found=1)
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
                trained_on=f"{dataset.name}, without a block",
                licence="as the data set's",
            )
            save_network(folder, manifest, content)
            decoder = settings.model_copy(update={"network": str(folder / manifest.name)})
            yield Judged(one, config.model_copy(update={"decoder": decoder}), _OF_NETWORKS)


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
