"""Score a decoder of classes on trials, each told by what was learned from others of the person's.

A recording is told by a decoder that was calibrated on the other recordings of its group; one that
stands alone is cut into five blocks of time, each told by what was learned of the rest. In order of
time the first recordings are for learning and all later ones are told. The calibration is the one
that a session would make: it looks at channels, refuses what is not above chance, and decides by
the recordings for learning alone whether re-centring helps. What is told then goes through the very
path that live samples take; the decoder is shown onsets and never what they asked for.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.classes import TRIAL_END, ClassDataset, ClassRecording
from volition.benchmarks.quality.evaluation.clustered import Clusters, area_interval, ratio_interval
from volition.chunk import Event
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.report import chance_bound
from volition.decoders.classes.settings import ClassSettings
from volition.decoders.codes.erp.area import area
from volition.decoders.contract.intent import ClassIntent, IdleIntent, Intent
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, joined
from volition.decoders.fitting.metrics import accuracy_interval, confusion, per_min
from volition.decoders.registry import decoders_by_kind
from volition.errors import ConfigError, DecodeError
from volition.service.calibration.fitter import cleaned_recording
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import run_offline
from volition.streams.files.recording import TRIAL_START, Recording

CHUNK_S = 0.125
N_BLOCKS = 5
LEAVE_OUT, IN_ORDER, LEAKING = "leave-session-out", "chronological", "leaking-windows"
PROTOCOLS = (LEAVE_OUT, IN_ORDER, LEAKING)
#: A command this soon after a trial's end still belongs to it, seconds.
_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A trial that is scored."""

    onset: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Told:
    """A trial and what was decoded in it.

    Attributes
    ----------
    wanted
        Label that was asked for.
    best
        The most probable label; None where nothing was decoded.
    command
        Label of the first command; None without one.
    decision_s
        From the onset to the newest sample of the first answer that named a class.
    log_odds
        Logarithm of the second class's odds over the first's; 0 where there are more than two.
    """

    wanted: str
    best: str | None
    command: str | None
    decision_s: float | None
    log_odds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A recording, the trials of it that are scored, and what is learned from.

    Attributes
    ----------
    of_one
        Whether what is learned from are parts of one recording, in order.
    """

    one: ClassRecording
    asked: tuple[Asked, ...]
    known: tuple[Recording, ...]
    of_one: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What came of a fold."""

    fold: Fold
    told: tuple[Told, ...]
    commands_at_rest: int
    rest_s: float
    report: dict[str, Any]
    fault: str
    refused: str | None = None


def evaluate_classes(
    dataset: ClassDataset,
    root: Path,
    config: SessionConfig,
    *,
    protocol: str | None = None,
    train: int = 4,
    keep_faulty: bool = False,
) -> dict[str, Any]:
    """Score ``config`` on the trials of a data set that ask for one of its decoder's classes.

    Parameters
    ----------
    dataset
        Whose trials they are.
    root
        Folder that holds it.
    config
        The pipeline; its decoder is one of `volition.decoders.classes`.
    protocol
        ``leave-session-out``, the default; ``chronological``; or, to show what that does,
        ``leaking-windows``: windows of the same people and minutes are learned from and told.
    train
        Number of first recordings to learn from, in the order of time.
    keep_faulty
        Learn from recordings that lost samples too.

    Returns
    -------
    dict
        ``accuracy`` over all trials that were told anything, with its exact ``interval``
        and the one that draws sessions anew, ``interval_by_session``; ``balanced_accuracy``, the
        mean over classes; of two classes also ``auc``, how often a trial of the second has larger
        odds than one of the first, with ``auc_interval``, which draws people anew;
        ``chance_bound``, which guessing exceeds in one of twenty such runs; ``undecided``, trials
        that no whole window was found in; ``per_person`` and ``per_session``; ``refused``:
        recordings whose calibration is none that the service would accept, with the reason, which
        count in ``with_refused`` alone; ``faulty`` recordings, with the reason; for a decoder that
        slides, ``commands_per_min_at_rest`` and ``commanded_share``.

    Raises
    ------
    ConfigError
        The decoder tells no classes, or none of the data set's.
    RecordingError
        The folder does not hold the data set.
    """
    settings = _checked(dataset, config)
    if protocol is not None and protocol not in PROTOCOLS:
        raise ConfigError(
            f"no protocol is named {protocol!r}; allowed: {', '.join(PROTOCOLS)}", found=protocol
        )
    recordings = list(
        dataset.load(root, channels=config.stream.channels, units=config.stream.units)
    )
    folds = list(_folds(recordings, settings, protocol or LEAVE_OUT, train))
    if not folds:
        raise ConfigError(
            f"{dataset.name} has no recording with trials of {', '.join(settings.classes)}; it has "
            f"{', '.join(dataset.classes)}",
            allowed=list(dataset.classes),
        )
    every = list(_scored(folds, config, keep_faulty))
    scored = [each for each in every if each.refused is None]
    labels = list(settings.classes)
    with_refused = _figures([one for each in every for one in each.told], labels)
    return {
        "dataset": dataset.name,
        "protocol": _told_protocol(protocol or LEAVE_OUT, train),
        **_figures([one for each in scored for one in each.told], labels),
        "interval_by_session": _interval_by_session(scored),
        "balanced_accuracy": _balanced([one for each in scored for one in each.told], labels),
        **_area(scored, labels),
        **_at_rest(scored, settings),
        "labels": labels,
        "refused": {each.fold.one.name: each.refused for each in every if each.refused is not None},
        "with_refused": {
            **{name: with_refused[name] for name in ("accuracy", "n_trials", "interval")},
            "per_person": _by(every, labels, lambda one: one.person),
            "per_session": _by(every, labels, lambda one: one.name),
        },
        "faulty": {each.fold.one.name: each.fault for each in every if each.fault},
        "per_person": _by(scored, labels, lambda one: one.person),
        "per_session": _by(scored, labels, lambda one: one.name),
        "calibrations": {each.fold.one.name: each.report for each in every if each.report},
    }


def _checked(dataset: ClassDataset, config: SessionConfig) -> ClassSettings:
    decoder = decoders_by_kind()[config.decoder.kind]
    settings: Any = config.decoder
    if not issubclass(decoder, ClassDecoder):
        raise ConfigError(
            f"{dataset.name} asks for classes, and decoder {config.decoder.kind!r} tells none",
            found=config.decoder.kind,
        )
    assert isinstance(settings, ClassSettings)
    return settings


def _told_protocol(protocol: str, train: int) -> str:
    if protocol == IN_ORDER:
        return f"each recording after the first {train} of its group, by a fit to those"
    if protocol == LEAKING:
        return (
            f"every {N_BLOCKS}th trial by a fit to all others, of the same people and minutes too: "
            "wrong on purpose"
        )
    return (
        "each recording by a fit to the others of its group; one that stands alone in "
        f"{N_BLOCKS} blocks of time, each by a fit to the rest"
    )


# -- what is learned from ---------------------------------------------------------------------


def asked_in(recording: Recording, classes: Sequence[str]) -> tuple[Asked, ...]:
    """Give the trials of a recording that ask for one of some classes."""
    found = []
    for number, event in enumerate(recording.events):
        if event.name != TRIAL_START or event.data["class"] not in classes:
            continue
        later = recording.events[number + 1 :]
        end = next(one.time for one in later if one.name == TRIAL_END)
        found.append(Asked(event.time, end, str(event.data["class"])))
    return tuple(found)


def _folds(
    recordings: Sequence[ClassRecording], settings: ClassSettings, protocol: str, train: int
) -> Iterator[Fold]:
    groups: dict[str, list[ClassRecording]] = {}
    wanted = set(settings.classes)
    for one in recordings:
        if len({asked.label for asked in asked_in(one.recording, settings.classes)}) >= 2:
            groups.setdefault(one.group, []).append(one)
    for group in groups.values():
        asked = {one.name: asked_in(one.recording, sorted(wanted)) for one in group}
        if protocol == IN_ORDER:
            known = tuple(one.recording for one in group[:train])
            for one in group[train:]:
                yield Fold(one, asked[one.name], known)
        elif protocol == LEAKING:
            yield from _leaking(group, asked)
        elif len(group) > 1:
            for one in group:
                others = tuple(each.recording for each in group if each is not one)
                yield Fold(one, asked[one.name], others)
        else:
            yield from _blocks(group[0], asked[group[0].name])


def _leaking(
    group: Sequence[ClassRecording], asked: Mapping[str, tuple[Asked, ...]]
) -> Iterator[Fold]:
    """Tell every fifth trial by all others: those beside it in time are among them."""
    for number in range(N_BLOCKS):
        known = []
        for one in group:
            out = {trial.onset for trial in asked[one.name][number::N_BLOCKS]}
            events = [
                event
                for event in one.recording.events
                if event.name != TRIAL_START or event.time not in out
            ]
            known.append(dataclasses.replace(one.recording, events=tuple(events)))
        for one in group:
            yield Fold(one, asked[one.name][number::N_BLOCKS], tuple(known))


def _blocks(one: ClassRecording, asked: tuple[Asked, ...]) -> Iterator[Fold]:
    """Cut a recording into blocks of time; what is learned from has the block taken out."""
    recording = one.recording
    end_s = float(recording.times[-1]) + 1.0
    for number in range(N_BLOCKS):
        first, last = (k * len(asked) // N_BLOCKS for k in (number, number + 1))
        block = asked[first:last]
        until = asked[last].onset if last < len(asked) else end_s
        parts = (
            recording.between(-math.inf, block[0].onset),
            recording.between(until, end_s),
        )
        yield Fold(one, block, tuple(part for part in parts if len(part)), of_one=True)


def calibrated(
    config: SessionConfig,
    known: Sequence[CalibrationData],
    *,
    keep_faulty: bool = False,
    of_one: bool = False,
) -> Calibrated:
    """Calibrate a session's decoder of classes as the service would; see `Fold` for ``of_one``.

    Raises
    ------
    DecodeError
        The calibration is refused.
    """
    decoder: Any = decoders_by_kind()[config.decoder.kind]
    options = {"controls": False, "accept": True, "keep_faulty": keep_faulty}
    data = joined(known, options)
    if of_one:
        data = dataclasses.replace(data, starts=(), names=())
    found: Calibrated = decoder.calibrate(config.decoder, data, lambda *_: None)
    return found


# -- what is told -----------------------------------------------------------------------------


def _scored(folds: Sequence[Fold], config: SessionConfig, keep_faulty: bool) -> Iterator[Scored]:
    clean: dict[int, CalibrationData] = {}
    made: dict[tuple[int, ...], Calibrated | str] = {}

    def seen(recording: Recording) -> CalibrationData:
        if id(recording) not in clean:
            clean[id(recording)] = cleaned_recording(config, recording)
        return clean[id(recording)]

    with tempfile.TemporaryDirectory() as folder:
        for number, fold in enumerate(folds):
            key = tuple(id(one) for one in fold.known)
            fault = next(iter(seen(fold.one.recording).faulty.values()), "")
            if key not in made:
                try:
                    made[key] = calibrated(
                        config,
                        [seen(one) for one in fold.known],
                        keep_faulty=keep_faulty,
                        of_one=fold.of_one,
                    )
                except DecodeError as error:
                    made[key] = error.message
            found = made[key]
            if isinstance(found, str):
                yield Scored(fold, (), 0, 0.0, {}, fault, refused=found)
                continue
            path = found.model.save(Path(folder) / str(number))
            decoder = config.decoder.model_copy(update={"model": str(path)})
            session = config.model_copy(update={"decoder": decoder})
            scored = _run(fold, session, _short(found), fault)
            yield dataclasses.replace(scored, refused=found.scores.get("refusal"))


def _short(found: Calibrated) -> dict[str, Any]:
    kept = ("accuracy", "n_trials", "chance_bound", "recentring", "channels", "left_out", "faulty")
    return {name: found.scores[name] for name in kept}


def _run(fold: Fold, session: SessionConfig, report: dict[str, Any], fault: str) -> Scored:
    recording, decoder = fold.one.recording, session.decoder
    shown = [
        Event(event.time, event.name) for event in recording.events if event.name == TRIAL_START
    ]
    n_samples = max(1, round(CHUNK_S * recording.spec.rate_hz))
    played = dataclasses.replace(recording, events=tuple(shown))
    intents = list(run_offline(session, recording.spec, played.chunks(n_samples)))
    assert isinstance(decoder, ClassSettings)
    told = tuple(_told(asked, _within(asked, intents, decoder)) for asked in fold.asked)
    rests = [asked for asked in fold.asked if asked.label == decoder.rest]
    spans = _rest_spans(fold, rests)
    commands = [one.t_sample for one in intents if isinstance(one, ClassIntent)]
    n_at_rest = sum(any(a <= at < b for a, b in spans) for at in commands)
    return Scored(fold, told, n_at_rest, math.fsum(b - a for a, b in spans), report, fault)


def _within(asked: Asked, intents: Sequence[Intent], decoder: ClassSettings) -> list[Intent]:
    """Give the answers of a trial: to its marker, or to the windows that lie within it."""
    if decoder.trigger == "markers":
        return [one for one in intents if one.t_trigger == asked.onset]
    first = asked.onset if decoder.evidence else asked.onset + decoder.window_s
    return [one for one in intents if first <= one.t_sample <= asked.end]


def _told(asked: Asked, within: Sequence[Intent]) -> Told:
    found = [one.probabilities for one in within if isinstance(one, ClassIntent)]
    # Where the session's own rest is still being learned, nothing is said yet.
    idle = [one for one in within if isinstance(one, IdleIntent) and one.reason != "settling"]
    found += [one.evidence for one in idle if one.evidence]
    commands = [one for one in within if isinstance(one, ClassIntent)]
    if not found:
        return Told(asked.label, None, None, None)
    labels = list(found[0])
    log_p = np.log([[max(one[label], 1e-12) for label in labels] for one in found]).mean(axis=0)
    command = commands[0].label if commands else None
    decision_s = commands[0].t_sample - asked.onset if commands else None
    log_odds = float(log_p[1] - log_p[0]) if len(labels) == 2 else 0.0
    return Told(asked.label, labels[int(log_p.argmax())], command, decision_s, log_odds)


def _rest_spans(fold: Fold, rests: Sequence[Asked]) -> list[tuple[float, float]]:
    """Give when nothing was wanted: trials of rest, and the pauses between trials."""
    spans = [(one.onset, one.end) for one in rests]
    for before, after in zip(fold.asked[:-1], fold.asked[1:], strict=True):
        start = before.end + _GRACE_S
        if after.onset > start:
            spans.append((start, after.onset))
    return spans


# -- figures ----------------------------------------------------------------------------------


def _figures(told: Sequence[Told], labels: Sequence[str]) -> dict[str, Any]:
    decided = [one for one in told if one.best is not None]
    right, n = sum(one.best == one.wanted for one in decided), len(decided)
    times_s = [one.decision_s for one in decided if one.decision_s is not None]
    return {
        "n_trials": n,
        "right": right,
        "accuracy": right / n if n else None,
        "interval": list(accuracy_interval(right, n)),
        "chance": 1 / len(labels),
        "chance_bound": chance_bound(n, 1 / len(labels)),
        "undecided": len(told) - n,
        "decision_s": float(np.mean(times_s)) if times_s else None,
        "confusion": confusion(
            [one.wanted for one in decided], [str(one.best) for one in decided], labels
        ).tolist(),
    }


def _interval_by_session(scored: Sequence[Scored]) -> list[float] | None:
    """Give the interval of the accuracy that draws whole sessions anew; None for one alone."""
    pairs = [(each.fold.one.name, one) for each in scored for one in each.told if one.best]
    if not pairs:
        return None
    clusters = Clusters.by_name("sessions", [name for name, _ in pairs])
    return ratio_interval(
        clusters, [one.best == one.wanted for _, one in pairs], np.ones(len(pairs))
    )


def _balanced(told: Sequence[Told], labels: Sequence[str]) -> float | None:
    """Give the mean over classes of the share that is right; None where one has no trial."""
    shares = []
    for label in labels:
        right = [one.best == label for one in told if one.wanted == label and one.best is not None]
        if not right:
            return None
        shares.append(float(np.mean(right)))
    return float(np.mean(shares))


def _area(scored: Sequence[Scored], labels: Sequence[str]) -> dict[str, Any]:
    """Give the area under the curve of two classes, over all people."""
    if len(labels) != 2:
        return {}
    of_person: dict[str, list[Told]] = {}
    for each in scored:
        found = [one for one in each.told if one.best is not None]
        of_person.setdefault(each.fold.one.person, []).extend(found)
    below, above = (
        [
            np.array([one.log_odds for one in told if one.wanted == label])
            for told in of_person.values()
        ]
        for label in labels
    )
    pooled = [*map(float, np.concatenate(above)), *map(float, np.concatenate(below))]
    n_above = sum(map(len, above))
    if n_above in (0, len(pooled)):
        return {"auc": None, "auc_interval": None}
    is_above = [True] * n_above + [False] * (len(pooled) - n_above)
    clusters = Clusters.by_name("people", list(of_person))
    return {"auc": area(pooled, is_above), "auc_interval": area_interval(clusters, above, below)}


def _at_rest(scored: Sequence[Scored], settings: ClassSettings) -> dict[str, Any]:
    """Say how often a decoder that slides commands at rest, and in how many trials it does."""
    if settings.trigger != "sliding":
        return {}
    rest_s = math.fsum(each.rest_s for each in scored)
    asked = [one for each in scored for one in each.told if one.wanted != settings.rest]
    commanded = [one for one in asked if one.command is not None]
    right = sum(one.command == one.wanted for one in commanded)
    return {
        "rest_watched_s": rest_s,
        "commands_per_min_at_rest": per_min(sum(each.commands_at_rest for each in scored), rest_s),
        "commanded_share": len(commanded) / len(asked) if asked else None,
        "commanded_accuracy": right / len(commanded) if commanded else None,
    }


def _by(scored: Sequence[Scored], labels: Sequence[str], name_of: Any) -> dict[str, Any]:
    """Give the figures of each person or session."""
    found: dict[str, list[Told]] = {}
    for each in scored:
        found.setdefault(name_of(each.fold.one), []).extend(each.told)
    kept = ("n_trials", "right", "accuracy", "interval", "chance_bound", "undecided")
    return {
        name: {key: value for key, value in _figures(told, labels).items() if key in kept}
        for name, told in found.items()
    }
