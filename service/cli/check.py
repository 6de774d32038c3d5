"""``volition check``: a guided minute with the headset on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli.options import JsonOption, cells, print_json, progress

if TYPE_CHECKING:
    from volition.service.sessions.guided_check import Outcome


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
    from volition.service.sessions.config import load_config
    from volition.service.sessions.guided_check import steps
    from volition.service.supervision.checking import check as checked

    asked = steps(flicker, pace)
    outcome = checked(
        find_one(stream),
        flicker_hz=flicker,
        pace=pace,
        session=None if session is None else load_config(session),
        began=lambda number: progress(f"{asked[number].ask}  ({asked[number].seconds:.0f} s)"),
    )
    if json:
        print_json(outcome.to_dict())
    else:
        _show(outcome)
    good = all(one.ok for one in outcome.electrodes)
    sys.exit(0 if good and outcome.brain == "yes" else 1)


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
