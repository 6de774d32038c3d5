"""``volition bench``: Volition beside the packages that do the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.benchmarks.commands.output import print_report
from volition.service.cli.options import JsonOption, progress


def register(bench: typer.Typer) -> None:
    """Add the commands of this module."""
    bench.command()(peers)


def peers(
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds measured of each contender.")
    ] = 60.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which they take turns.")] = 4,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the stream.")] = 64,
    rate: Annotated[float, typer.Option(min=1, help="Sampling rate, Hz.")] = 1000.0,
    chunk: Annotated[float, typer.Option(min=0.1, help="Length of a chunk, milliseconds.")] = 10.0,
    python: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=INTERPRETER of a peer (ezmsg, mne-lsl, timeflux); when left out, "
            "the environments that `make bench` makes."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the same stream and band-pass through Volition, ezmsg, MNE-LSL and timeflux, in turns.

    Each to a subscriber that stamps receipt: latency, processor time, samples lost. A peer that
    cannot run is named with the reason.
    """
    from volition.benchmarks.peers.measure import PROGRAMS, measure
    from volition.streams import lsl

    pythons = {}
    for given in python or ():
        name, _, path = given.partition("=")
        if name not in PROGRAMS or not path:
            raise typer.BadParameter(
                f"{given!r}; allowed: NAME=INTERPRETER with one of {', '.join(PROGRAMS)}",
                param_hint="--python",
            )
        pythons[name] = Path(path)
    with lsl.own_network():
        result = measure(
            seconds=seconds,
            rounds=rounds,
            n_channels=channels,
            rate_hz=rate,
            chunk_s=chunk / 1e3,
            pythons=pythons,
            on_round=progress,
        )
    print_report(result, json)
