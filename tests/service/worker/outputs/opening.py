"""Outputs as a session has them, without a session: a context, intents, and waiting for a thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from volition.chunk import SignalSpec
from volition.decoders.contract.intent import (
    CursorIntent,
    IdleIntent,
    Intent,
    SelectionIntent,
    to_json,
)
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings, build_output
from volition.streams.lsl.clock import local_clock


class Stop:
    """Whether the emergency stop holds."""

    is_held = False


@contextmanager
def opened(settings: OutputSettings, stop: Stop | None = None) -> Iterator[Output[Any]]:
    """Open an output as the worker does, and close it."""
    held = stop or Stop()
    spec = SignalSpec(250.0, ("a",))
    output = build_output(settings)
    output.open(OutputContext("s-1", 1, spec, {}, dict, lambda: held.is_held))
    try:
        yield output
    finally:
        output.close(1.0)


def give(output: Output[Any], *intents: Intent) -> None:
    for intent in intents:
        output.intent(to_json(intent), intent)


def selection(label: str = "up", **more: Any) -> SelectionIntent:
    return SelectionIntent(
        **{
            "target": 0,
            "label": label,
            "confidence": 0.75,
            "evidence": {"up": 2.0, "down": 1.0},
            "t_sample": local_clock(),
            "seq": 7,
            **more,
        }
    )


def cursor(*velocity: float, **more: Any) -> CursorIntent:
    return CursorIntent(**{"velocity": list(velocity), "t_sample": local_clock(), **more})


def idle(**more: Any) -> IdleIntent:
    return IdleIntent(**{"t_sample": local_clock(), **more})


def await_true(done: Callable[[], object], what: Callable[[], object] = lambda: None) -> None:
    """Wait until something is so; two minutes, for a machine that stands still."""
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.01)


def tended(output: Output[Any], done: Callable[[], object]) -> None:
    """Tend an output, as the worker does all the time, until something is so."""

    def tend_and_ask() -> object:
        output.tend()
        return done()

    await_true(tend_and_ask, output.state)
