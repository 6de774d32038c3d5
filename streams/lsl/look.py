"""Look at a stream for a while and say what it is, from its samples and not from its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from volition.chunk import SignalSpec
from volition.errors import StreamError
from volition.streams.lsl.clock import local_clock, utc_offset_s
from volition.streams.lsl.discovery import StreamDescription
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.lsl.stamp_clock import recognise
from volition.streams.signal.continuity import Continuity, ContinuitySettings
from volition.streams.signal.quality import SignalQuality

_OPEN_S, _PULL_S = 5.0, 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a stream.

    Attributes
    ----------
    description
        What it says itself.
    spec
        Specification of the channels that would be used.
    seconds
        For how long samples came.
    samples
        How many.
    clock, distance_s
        Which clock its stamps are of, and how far they lie from their arrival; None without any.
    continuity
        As `Continuity.report` gives it.
    quality
        Quality of each channel, as `SignalQuality.report` gives it.
    warnings
        What had to be assumed.
    plausibility
        As `SignalQuality.plausibility` gives it; None of a look that was too short to tell.
    """

    description: StreamDescription
    spec: SignalSpec
    seconds: float
    samples: int
    clock: str | None
    distance_s: float | None
    continuity: dict[str, Any]
    quality: list[dict[str, Any]]
    warnings: tuple[str, ...]
    plausibility: dict[str, Any] | None = None


def look_at(description: StreamDescription, seconds: float) -> Seen:
    """Receive a signal for this many seconds.

    Raises
    ------
    StreamError
        It cannot be a signal, is gone, or does not answer.
    """
    with SignalInlet(description, recover=False) as inlet:
        inlet.open(_OPEN_S)
        continuity = Continuity(inlet.spec, ContinuitySettings("hold", 5.0))
        quality = SignalQuality(inlet.spec)
        distance_s: float | None = None
        n, began, ended = 0, local_clock(), local_clock()
        until = began + seconds
        quality_due = began + 1.0
        while (now := local_clock()) < until:
            chunk = inlet.pull(_PULL_S)
            if not len(chunk):
                continue
            ended = local_clock()
            if distance_s is None:
                began, distance_s = ended, float(chunk.times[-1]) - ended
            n += len(chunk)
            quality.add(chunk)
            if now >= quality_due:
                quality_due = now + 1.0
                quality.update()
            if not continuity.check(chunk):
                continuity.mend(chunk)
        warnings = tuple(inlet.warnings)
    if distance_s is None:
        raise StreamError(f"stream {description.summary()} sent nothing for {seconds:g} s")
    return Seen(
        inlet.description,
        inlet.spec,
        ended - began,
        n,
        recognise(ended + distance_s, ended, utc_offset_s()),
        distance_s,
        continuity.report(),
        quality.report(),
        warnings,
        quality.plausibility(),
    )
