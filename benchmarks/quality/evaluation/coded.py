"""Score a session that reads coded items, through the very path that live samples take.

Each fold's decoder is calibrated as a session would be, on what the fold may learn from, and then
meets the rest chunk by chunk, with the markers' times and names and nothing that says what was
asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval
from volition.chunk import Chunk, Event
from volition.decoders.codes.decoder import CodedDecoder
from volition.decoders.codes.erp.area import area
from volition.decoders.codes.erp.decoder import ErpDecoder
from volition.decoders.codes.settings import REST, CodedSettings
from volition.decoders.contract.intent import Intent, SelectionIntent
from volition.decoders.fitting.calibration import CalibrationData, CalibrationError, joined
from volition.decoders.fitting.metrics import accuracy_interval, itr_bits_per_min, per_min
from volition.decoders.registry import decoders_by_kind
from volition.errors import ConfigError
from volition.service.calibration.fitter import cleaned_recording
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import Engine

#: Chunks of about this length where it is not known how the samples came; no score hangs on it.
CHUNK_S = 0.125


@dataclass(slots=True)
class _Selected:
    """What the trials of one recording came to."""

    right: int = 0
    wrong: int = 0
    undecided: int = 0
    times_s: list[float] = field(default_factory=list)
    false: int = 0
    rest_s: float = 0.0

    @property
    def n(self) -> int:
        return self.right + self.wrong + self.undecided

    def add(self, other: _Selected) -> None:
        self.right += other.right
        self.wrong += other.wrong
        self.undecided += other.undecided
        self.times_s += other.times_s
        self.false += other.false
        self.rest_s += other.rest_s


def evaluate_coded(dataset: CodedDataset, root: Path, config: SessionConfig) -> dict[str, Any]:
    """Score ``config`` on every fold of a data set.

    Returns
    -------
    dict
        Where items are known: ``accuracy`` (forced choice, mean over recordings, by time:
        ``by_time`` with ``interval``, drawn over people (None for one), ``interval_of_trials`` and
        ``itr_bits_per_min``), and, by the session's own stopping, ``right``, ``undecided``,
        ``mean_time_s``, ``itr_bits_per_min``. Where only flashes are: ``auc``, mean over
        recordings, with ``interval`` over people and ``interval_of_flashes``. Always ``protocol``,
        ``per_recording``; ``refused``: recordings whose calibration was refused, with the reason.

    Raises
    ------
    ConfigError
        The session's decoder reads no coded items.
    RecordingError
        The folder does not hold the data set.
    """
    if not isinstance(config.decoder, CodedSettings):
        raise ConfigError(
            f"{dataset.name} holds items that flash by a code, and decoder "
            f"{config.decoder.kind!r} reads none; allowed: erp, reconvolution",
            found=config.decoder.kind,
        )
    if dataset.measure == "flashes":
        return _evaluate_flashes(dataset, root, config)
    return _evaluate_items(dataset, root, config)


# -- items ------------------------------------------------------------------------------------


def _evaluate_items(dataset: CodedDataset, root: Path, config: SessionConfig) -> dict[str, Any]:
    stopped: dict[str, _Selected] = {}
    forced: dict[str, dict[float, list[bool]]] = {}
    people: dict[str, str] = {}
    refused: dict[str, str] = {}
    n_items = 2
    with tempfile.TemporaryDirectory() as folder:
        for number, fold in enumerate(dataset.load(root)):
            session = _session(dataset, config, fold)
            n_items = len(_coded(session).items)
            try:
                session = _calibrated(session, fold, Path(folder) / str(number))
            except CalibrationError as error:
                refused[fold.name] = error.message
                continue
            people[fold.name] = fold.person
            stopped.setdefault(fold.name, _Selected()).add(
                _selected(fold, _intents(fold, session), _coded(session))
            )
            lengths = forced.setdefault(fold.name, {at_s: [] for at_s in dataset.at_s})
            for at_s in dataset.at_s:
                lengths[at_s] += _forced(fold, session, at_s)
    return {
        "dataset": dataset.name,
        "decoder": config.decoder.kind,
        "protocol": dataset.protocol,
        "n_trials": sum(one.n for one in stopped.values()),
        "chance": 1 / n_items,
        **_by_time(dataset, forced, _people(people), n_items),
        **_stopped(list(stopped.values()), n_items, dataset.pause_s),
        "pause_s": dataset.pause_s,
        "refused": refused,
        "per_recording": {
            name: {
                "person": people[name],
                **_stopped([one], n_items, dataset.pause_s),
                "accuracy": {
                    f"{at_s:g}": float(np.mean(told)) for at_s, told in forced[name].items()
                },
            }
            for name, one in stopped.items()
        },
    }


def _by_time(
    dataset: CodedDataset,
    forced: dict[str, dict[float, list[bool]]],
    clusters: Clusters,
    n_items: int,
) -> dict[str, Any]:
    rows = []
    for at_s in dataset.at_s:
        told = [one[at_s] for one in forced.values()]
        if not told:
            continue
        mean = float(np.mean([np.mean(one) for one in told]))
        right, n = sum(map(sum, told)), sum(map(len, told))
        rows.append(
            {
                "seconds": at_s,
                "accuracy": mean,
                "interval": ratio_interval(
                    clusters, [sum(one) for one in told], [len(one) for one in told]
                ),
                "interval_of_trials": list(accuracy_interval(right, n)),
                "itr_bits_per_min": itr_bits_per_min(
                    n_items, mean, at_s, gaze_shift_s=dataset.pause_s
                ),
            }
        )
    last = rows[-1] if rows else {"accuracy": None, "interval": None}
    return {"accuracy": last["accuracy"], "interval": last["interval"], "by_time": rows}


def _stopped(found: Sequence[_Selected], n_items: int, pause_s: float) -> dict[str, Any]:
    total = _Selected()
    for one in found:
        total.add(one)
    decided = total.right + total.wrong
    share = total.right / decided if decided else None
    mean_s = float(np.mean(total.times_s)) if total.times_s else None
    return {
        "right": share,
        "right_interval": list(accuracy_interval(total.right, decided)),
        "undecided": total.undecided / total.n if total.n else None,
        "mean_time_s": mean_s,
        "itr_bits_per_min": None
        if share is None or mean_s is None
        else itr_bits_per_min(n_items, share, mean_s, gaze_shift_s=pause_s),
        "false_selections_per_min": per_min(total.false, total.rest_s) if total.rest_s else None,
    }


def _trials(fold: CodedFold, settings: CodedSettings) -> list[Event]:
    return [
        event
        for event in fold.test.events
        if event.name in settings.onset_markers and event.time >= fold.scored_from
    ]


def _selected(fold: CodedFold, intents: Sequence[Intent], settings: CodedSettings) -> _Selected:
    answers = {one.t_trigger: one for one in intents if one.t_trigger is not None}
    found = _Selected()
    for event in _trials(fold, settings):
        answer = answers.get(event.time)
        is_selected = isinstance(answer, SelectionIntent)
        if event.data["target"] == REST:
            found.false += is_selected
            found.rest_s += 0.0 if answer is None else answer.t_sample - event.time
        elif not isinstance(answer, SelectionIntent):
            found.undecided += 1
            if answer is not None:
                found.times_s.append(answer.t_sample - event.time)
        else:
            found.right += answer.label == event.data["target"]
            found.wrong += answer.label != event.data["target"]
            found.times_s.append(answer.t_sample - event.time)
    return found


def _forced(fold: CodedFold, session: SessionConfig, at_s: float) -> list[bool]:
    """Say of each trial whether its best item after ``at_s`` is the right one."""
    update = {
        "max_s": at_s,
        "min_s": 0.0,
        "stopping": None,
        "idle_log_odds": -1e9,
        "learning": "none",
    }
    settings = _coded(session)
    known = {name: value for name, value in update.items() if hasattr(settings, name)}
    if getattr(settings, "learning", "none") != "none":
        del known["learning"]
    decoder = settings.model_copy(update=known)
    intents = _intents(fold, session.model_copy(update={"decoder": decoder}))
    answers = {one.t_trigger: one for one in intents if isinstance(one, SelectionIntent)}
    return [
        event.time in answers and answers[event.time].label == event.data["target"]
        for event in _trials(fold, settings)
        if event.data["target"] != REST
    ]


# -- flashes ----------------------------------------------------------------------------------


def _evaluate_flashes(dataset: CodedDataset, root: Path, config: SessionConfig) -> dict[str, Any]:
    scores: dict[str, list[tuple[list[float], list[bool]]]] = {}
    people: dict[str, str] = {}
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, fold in enumerate(dataset.load(root)):
            session = _session(dataset, config, fold)
            try:
                session = _calibrated(session, fold, Path(folder) / str(number))
            except CalibrationError as error:
                refused[fold.name] = error.message
                continue
            people[fold.name] = fold.person
            scores.setdefault(fold.name, []).append(_flash_scores(fold, session))
    per_recording = {
        name: {
            "person": people[name],
            "auc": float(np.mean([area(*one) for one in parts])),
            "n_flashes": sum(len(told) for _, told in parts),
            "n_targets": sum(sum(told) for _, told in parts),
        }
        for name, parts in scores.items()
    }
    areas = [float(np.mean([area(*one) for one in parts])) for parts in scores.values()]
    return {
        "dataset": dataset.name,
        "decoder": config.decoder.kind,
        "protocol": dataset.protocol,
        "auc": float(np.mean(areas)) if areas else None,
        "interval": ratio_interval(_people(people), areas, [1.0] * len(areas)) if areas else None,
        "interval_of_flashes": _area_interval(
            [part for parts in scores.values() for part in parts]
        ),
        "chance": 0.5,
        "refused": refused,
        "per_recording": per_recording,
    }


def _flash_scores(fold: CodedFold, session: SessionConfig) -> tuple[list[float], list[bool]]:
    """Give the score of each flash that is scored, and whether it held what was attended."""
    asked = {
        event.time: bool(event.data["target"])
        for event in fold.test.events
        if isinstance(event.data.get("target"), bool) and event.time >= fold.scored_from
    }
    engine = Engine(session, fold.test.spec)
    decoder = engine.decoder
    if not isinstance(decoder, ErpDecoder):
        raise ConfigError(
            f"of these recordings only flashes are known, which {session.decoder.kind!r} does "
            "not score one by one; allowed: erp",
            found=session.decoder.kind,
        )
    found: dict[float, float] = {}
    for chunk, events in _pieces(fold):
        engine.step(chunk, events)
        found.update(decoder.flash_scores)
    told = [(found[time], is_target) for time, is_target in asked.items() if time in found]
    return [score for score, _ in told], [is_target for _, is_target in told]


def _area_interval(parts: Sequence[tuple[list[float], list[bool]]]) -> list[float] | None:
    """Give the 95 % interval of the mean area: by drawing flashes anew within each recording."""
    if not parts:
        return None
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(500):
        areas = []
        for scores, told in parts:
            high = np.array(scores)[np.array(told)]
            low = np.array(scores)[~np.array(told)]
            high, low = rng.choice(high, len(high)), rng.choice(low, len(low))
            areas.append(area([*high, *low], [True] * len(high) + [False] * len(low)))
        drawn.append(float(np.mean(areas)))
    return [float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))]


# -- both -------------------------------------------------------------------------------------


def _people(people: dict[str, str]) -> Clusters:
    """Give the recordings' people: intervals are drawn over them."""
    return Clusters.by_name("people", list(people.values()))


def _coded(session: SessionConfig) -> CodedSettings:
    assert isinstance(session.decoder, CodedSettings)
    return session.decoder


def _session(dataset: CodedDataset, config: SessionConfig, fold: CodedFold) -> SessionConfig:
    settings = _coded(config)
    dictated = {**dataset.settings, **fold.decoder, "words": None}
    update = {
        name: value for name, value in dictated.items() if name in type(settings).model_fields
    }
    return config.model_copy(update={"decoder": settings.model_copy(update=update)})


def _calibrated(session: SessionConfig, fold: CodedFold, path: Path) -> SessionConfig:
    """Calibrate a fold's decoder on what it may learn from; a model that is named is left alone."""
    settings = _coded(session)
    if settings.model is not None or not fold.calibration:
        return session
    cls = decoders_by_kind()[settings.kind]
    assert issubclass(cls, CodedDecoder)
    parts = [cleaned_recording(session, one) for one in fold.calibration]
    calibration: CalibrationData = joined(parts, None)
    made = cls.calibrate(settings, calibration, lambda *_: None)
    update = {"model": str(made.model.save(path))}
    return session.model_copy(update={"decoder": settings.model_copy(update=update)})


def _pieces(fold: CodedFold) -> Iterator[tuple[Chunk, list[Event]]]:
    """Give the test's chunks, with nothing of what was asked for in their events."""
    recording = fold.test
    if fold.packets is None:
        pieces = recording.chunks(max(1, round(CHUNK_S * recording.spec.rate_hz)))
    else:
        pieces = _by_packets(fold)
    for chunk, events in pieces:
        yield chunk, [Event(event.time, event.name) for event in events]


def _by_packets(fold: CodedFold) -> Iterator[tuple[Chunk, list[Event]]]:
    assert fold.packets is not None
    recording, at, given = fold.test, 0, 0
    for n_samples in fold.packets:
        stop = min(at + n_samples, len(recording))
        if stop == at:
            continue
        first = given
        while (
            given < len(recording.events)
            and recording.events[given].time <= recording.times[stop - 1]
        ):
            given += 1
        yield (
            Chunk(recording.samples[at:stop].copy(), recording.times[at:stop].copy()),
            [*recording.events[first:given]],
        )
        at = stop


def _intents(fold: CodedFold, session: SessionConfig) -> list[Intent]:
    engine = Engine(session, fold.test.spec)
    return [intent for chunk, events in _pieces(fold) for intent in engine.step(chunk, events)]
