"""``volition check``: a guided minute with the headset on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli.options import JsonOption, cells, print_json, progress

if TYPE_CHECKING:
    from volition.chunk import Chunk
    from volition.service.sessions.guided_check import Outcome
    from volition.streams.lsl.inlet import SignalInlet
    from volition.streams.signal.quality import SignalQuality

_OPEN_S, _PULL_S = 5.0, 0.1
#: From the request to the first sample that counts: a person takes a moment to do it.
_BEGIN_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(check)


def check(
    stream: Annotated[str, typer.Argument(help="Name, source id or uid of the stream.")],
    flicker: Annotated[
        float | None,
        typer.Option(min=1, max=60, help="Frequency of a flicker to look at, in Hz."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(help="Session file or preset: blinks are looked for behind its stages too."),
    ] = None,
    pace: Annotated[
        float, typer.Option(min=0.25, max=5, help="Factor on the length of each step.")
    ] = 1.0,
    json: JsonOption = False,
) -> None:
    """Check a headset on a head, in a guided minute: each electrode, and whether it is a brain.

    The person is asked to sit still, close their eyes, blink and clench their teeth. What is proved
    is alpha that grows with closed eyes, blinks and muscle where they were asked for, and the
    response to a flicker. Exits with 1 unless every electrode is good and the signal is a brain's.
    """
    from volition.service.cli.talk import find_one
    from volition.service.sessions import guided_check
    from volition.service.sessions.config import load_config
    from volition.streams.lsl.inlet import SignalInlet
    from volition.streams.signal.quality import SignalQuality

    config = None if session is None else load_config(session)
    received: dict[str, Chunk] = {}
    with SignalInlet(find_one(stream), recover=False) as inlet:
        inlet.open(_OPEN_S)
        quality = SignalQuality(inlet.spec)
        for step in guided_check.steps(flicker, pace):
            progress(f"{step.ask}  ({step.seconds:.0f} s)")
            _receive(inlet, _BEGIN_S)
            watched = quality if step.name == "opened" else None
            received[step.name] = _receive(inlet, step.seconds, watched)
        spec = inlet.spec
    outcome = guided_check.judge(
        received,
        spec,
        quality.report(),
        flicker_hz=flicker,
        session=None if config is None else config.build_cleaner(spec),
    )
    if json:
        print_json(outcome.to_dict())
    else:
        _show(outcome)
    good = all(one.ok for one in outcome.electrodes)
    sys.exit(0 if good and outcome.brain == "yes" else 1)


def _receive(inlet: SignalInlet, seconds: float, quality: SignalQuality | None = None) -> Chunk:
    """Receive for a while; raise `StreamError` where nothing comes."""
    import numpy as np

    from volition.chunk import Chunk
    from volition.errors import StreamError
    from volition.streams.lsl.clock import local_clock

    chunks, until, look_at = [], local_clock() + seconds, local_clock() + 1.0
    while (now := local_clock()) < until:
        chunk = inlet.pull(_PULL_S)
        if not len(chunk):
            continue
        chunks.append(Chunk(chunk.samples.copy(), chunk.times.copy()))
        if quality is not None:
            quality.add(chunk)
            if now >= look_at:
                look_at = now + 1.0
                quality.update()
    if not chunks:
        raise StreamError(f"stream {inlet.description.summary()} sent nothing for {seconds:g} s")
    return Chunk(
        np.concatenate([one.samples for one in chunks]),
        np.concatenate([one.times for one in chunks]),
    )


def _show(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("", "electrode", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for one in outcome.electrodes:
        mark = "[green]ok[/]" if one.ok else "[red]no[/]"
        table.add_row(mark, *cells(one.check, one.found, one.advice))
    proofs = Table(box=None, pad_edge=False)
    for column in ("proof", "", "found"):
        proofs.add_column(column, overflow="fold")
    for where, found in (("", outcome.proofs), (", cleaned", outcome.cleaned)):
        for proof in found:
            proofs.add_row(*cells(f"{proof.name}{where}", proof.verdict, proof.found))
    console = Console()
    console.print(table)
    console.print(proofs)
    console.print(f"Is it a brain? {outcome.brain}.")
