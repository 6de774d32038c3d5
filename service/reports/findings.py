"""What a recording shows: its signal, what was decided and how late, and what went wrong.

The signal is judged by what judges it live (`volition.streams.signal.quality`), second by second.
A trial counts as answered by the first selection or class that its marker asked for, or, where the
decoder slides, by the first before the next trial begins.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from volition.chunk import Event, FloatArray
from volition.decoders.fitting.metrics import accuracy_interval, confusion
from volition.service.worker.recorder import HEADER, INTENTS, STATUS
from volition.streams.files.recording import REST, TRIAL_START, Recording
from volition.streams.files.trial_mapping import target_of
from volition.streams.signal.quality import SignalQuality

NOTHING = "nothing"
"""What a trial was answered with that nothing was decided for."""

_SAME_TIME_S = 1e-3


@dataclass(frozen=True, slots=True)
class ChannelFindings:
    """One channel: shares are of the seconds, ``rms`` the median in its unit."""

    label: str
    rms: float
    line_noise: float
    flat: float
    saturated: float
    missing: float


@dataclass(frozen=True, slots=True)
class Trials:
    """What was wanted and what was decided.

    Attributes
    ----------
    labels
        Names of rows and columns.
    counts
        Row: wanted; column: decided.
    right, n
        Trials that were right, and all.
    interval
        95 % interval of the share that is right.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    right: int
    n: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of them.

    Attributes
    ----------
    file, session, duration_s, rate_hz
        What the recording is.
    config, decoder
        The session's configuration, None where no session made the recording, and the kind of its
        decoder.
    channels
        One for each channel.
    gaps
        Where samples are missing: seconds from the beginning, and for how long.
    intents
        Time, kind and label or reason of each, seconds from the beginning.
    counts
        Intents by kind and label or reason.
    latency_s
        From the newest sample to the decision, of each.
    notes
        What was said of the session, with the second at which.
    trials
        None where no markers name what was wanted.
    """

    file: str
    session: str
    duration_s: float
    rate_hz: float
    config: Mapping[str, Any] | None
    decoder: str
    channels: tuple[ChannelFindings, ...]
    gaps: tuple[tuple[float, float], ...] = ()
    intents: tuple[tuple[float, str, str], ...] = ()
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    latency_s: tuple[float, ...] = ()
    notes: tuple[tuple[float, str], ...] = ()
    trials: Trials | None = None


def findings_of(recording: Recording) -> Findings:
    """Look at a recording."""
    texts = recording.metadata.get("texts", {})
    decided = [one for _, text in texts.get(INTENTS, []) if (one := _intent(text))]
    begin = float(recording.times[0]) if len(recording) else 0.0
    session, config = _session_of(recording)
    intents = tuple(
        (float(one["t_sample"]) - begin, str(one["kind"]), _said(one)) for one in decided
    )
    return Findings(
        file=str(recording.metadata.get("file", "")),
        session=session,
        duration_s=recording.duration_s,
        rate_hz=recording.spec.rate_hz,
        config=config,
        decoder=str(_at(config, "decoder", "kind")) if config else "",
        channels=_channels(recording),
        gaps=_gaps(recording, begin),
        intents=intents,
        counts=Counter((kind, said) for _, kind, said in intents),
        latency_s=tuple(
            float(one["t_decoded"]) - float(one["t_sample"])
            for one in decided
            if one.get("t_decoded")
        ),
        notes=tuple(
            (t - begin, note)
            for t, text in texts.get(STATUS, [])
            if (note := _in_words(_mapping(text)))
        ),
        trials=_trials(recording.events, decided, config),
    )


def _session_of(recording: Recording) -> tuple[str, Mapping[str, Any] | None]:
    found = recording.metadata.get("header", {}).get(HEADER)
    if not found or not isinstance(found[0], Mapping):
        return "", None
    session, config = (_first(found[0].get(key)) for key in ("session", "config"))
    return session, _mapping(config) or None


def _first(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) and value else ""


def _mapping(text: str) -> Mapping[str, Any]:
    """Read a JSON object; give an empty one where it is none: any program can write such a file."""
    with contextlib.suppress(ValueError, RecursionError):
        read = json.loads(text)
        if isinstance(read, Mapping):
            return read
    return {}


def _intent(text: str) -> Mapping[str, Any]:
    """Read an intent; give nothing where it is none."""
    read = _mapping(text)
    times = [read.get("t_sample"), read.get("t_decoded", 0.0), read.get("t_trigger") or 0.0]
    told = all(isinstance(t, int | float) and math.isfinite(t) for t in times)
    return read if told and isinstance(read.get("kind"), str) else {}


def _said(intent: Mapping[str, Any]) -> str:
    return str(intent.get("label") or intent.get("reason") or "")


def _channels(recording: Recording) -> tuple[ChannelFindings, ...]:
    """Judge each second as a session does, and sum up."""
    quality = SignalQuality(recording.spec)
    seconds = []
    for chunk, _ in recording.chunks(max(1, round(recording.spec.rate_hz or 256))):
        quality.add(chunk)
        quality.update()
        seconds.append(quality.report())
    keys = ("rms", "line_noise", "flat", "saturated", "missing")
    table = np.array([[[one[key] for key in keys] for one in second] for second in seconds], float)
    found = []
    for n, label in enumerate(recording.spec.labels):
        of_channel = table[:, n] if len(table) else np.zeros((1, len(keys)))
        rms, line_noise = np.median(of_channel[:, :2], axis=0)
        flat, saturated, missing = of_channel[:, 2:].mean(axis=0)
        numbers = map(float, (rms, line_noise, flat, saturated, missing))
        found.append(ChannelFindings(label, *numbers))
    return tuple(found)


def _gaps(recording: Recording, begin: float) -> tuple[tuple[float, float], ...]:
    rate_hz = recording.spec.rate_hz
    if not rate_hz or len(recording) < 2:
        return ()
    steps: FloatArray = np.diff(recording.times)
    long = steps > max(0.1, 5.0 / rate_hz)
    starts, lengths = recording.times[:-1][long] - begin, steps[long]
    return tuple(zip(starts.tolist(), lengths.tolist(), strict=True))


def _in_words(note: Mapping[str, Any]) -> str:
    if "hold" in note:
        return "emergency stop" if _at(note, "hold", "held") else "emergency stop released"
    if "swap" in note:
        return f"decodes by {_at(note, 'swap', 'decoder', 'kind')} from here on"
    if "followed" in note:
        had, now = _at(note, "followed", "had"), _at(note, "followed", "now")
        return f"the stream changed: had {had}, now {now}"
    if "recording" in note:
        return f"recording: {note['recording']}"
    return ": ".join(filter(None, [str(note.get("state", "")), str(note.get("reason", ""))]))


def _at(value: Any, *keys: str) -> Any:
    """Look into objects within each other; give ? where there is nothing."""
    for key in keys:
        value = value.get(key, "?") if isinstance(value, Mapping) else "?"
    return value


def _trials(
    events: Sequence[Event],
    decided: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any] | None,
) -> Trials | None:
    starts = [one for one in events if one.name == TRIAL_START]
    wanted = [_wanted(one, config) for one in starts]
    answers = [one for one in decided if one["kind"] in ("selection", "class", "idle")]
    if not answers or not any(wanted):
        return None
    ends = [*(one.time for one in starts[1:]), np.inf]
    pairs = [
        (want, _answer(start.time, end, answers))
        for want, start, end in zip(wanted, starts, ends, strict=True)
        if want is not None
    ]
    labels = tuple(sorted({one for pair in pairs for one in pair}))
    counts = confusion([want for want, _ in pairs], [got for _, got in pairs], labels)
    right = sum(want == got or (want == REST and got == NOTHING) for want, got in pairs)
    interval = accuracy_interval(right, len(pairs))
    rows = tuple(tuple(int(one) for one in row) for row in counts)
    return Trials(labels, rows, right, len(pairs), interval)


def _wanted(event: Event, config: Mapping[str, Any] | None) -> str | None:
    """Say what a trial's marker asks for, by the decoder's own labels where they are known."""
    targets = _at(config, "decoder", "targets")
    for target in targets if isinstance(targets, list) else []:
        if isinstance(target, Mapping) and event.data.get("freq_hz") == target.get("freq_hz"):
            return str(target.get("label"))
    return REST if event.data.get("target") == REST else target_of(event)


def _answer(begin: float, end: float, decided: Sequence[Mapping[str, Any]]) -> str:
    """Give the label of the first decision that belongs to a trial."""
    asked = [
        one
        for one in decided
        if one.get("t_trigger") is not None and abs(one["t_trigger"] - begin) < _SAME_TIME_S
    ]
    within = [one for one in decided if begin < one["t_sample"] < end]
    for one in asked or within:
        if one["kind"] != "idle":
            return str(one.get("label"))
    return NOTHING
