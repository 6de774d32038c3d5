"""A guided check of a headset: its stream is received step by step, and judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from volition.chunk import Chunk
from volition.errors import StreamError
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.guided_check import Outcome, judge, steps
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import StreamDescription
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.signal.quality import SignalQuality

#: From the request to the first sample that counts: a person takes a moment to do it, seconds.
BEGIN_S = 2.0
_OPEN_S, _PULL_S, _LOOK_EVERY_S = 5.0, 0.1, 1.0


def check(
    stream: StreamDescription,
    *,
    flicker_hz: float | None = None,
    pace: float = 1.0,
    session: SessionConfig | None = None,
    began: Callable[[int], None],
) -> Outcome:
    """Receive each step of a check, and judge what came.

    Parameters
    ----------
    stream
        The headset's.
    flicker_hz, pace
        As of `volition.service.sessions.guided_check.steps`.
    session
        Blinks and clenched teeth are looked for behind its stages too.
    began
        Told the number of each step that begins.

    Raises
    ------
    StreamError
        The stream cannot be opened, or sends nothing.
    """
    received: dict[str, Chunk] = {}
    with SignalInlet(stream, recover=False) as inlet:
        inlet.open(_OPEN_S)
        spec = inlet.spec
        quality = SignalQuality(spec)
        for number, step in enumerate(steps(flicker_hz, pace)):
            began(number)
            _receive(inlet, BEGIN_S)
            watched = quality if step.name == "opened" else None
            received[step.name] = _receive(inlet, step.seconds, watched)
    cleaner = None if session is None else session.build_cleaner(spec)
    return judge(received, spec, quality.report(), flicker_hz=flicker_hz, session=cleaner)


def _receive(inlet: SignalInlet, seconds: float, quality: SignalQuality | None = None) -> Chunk:
    """Receive for a while; raise `StreamError` where nothing comes."""
    now = local_clock()
    chunks, until, look_at = [], now + seconds, now + _LOOK_EVERY_S
    while (now := local_clock()) < until:
        chunk = inlet.pull(_PULL_S)
        if not len(chunk):
            continue
        chunks.append(Chunk(chunk.samples.copy(), chunk.times.copy()))
        if quality is not None:
            quality.add(chunk)
            if now >= look_at:
                look_at = now + _LOOK_EVERY_S
                quality.update()
    if not chunks:
        raise StreamError(f"stream {inlet.description.summary()} sent nothing for {seconds:g} s")
    return Chunk(
        np.concatenate([one.samples for one in chunks]),
        np.concatenate([one.times for one in chunks]),
    )
