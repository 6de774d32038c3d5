"""``volition bench``: how fast Volition is, and what a sample, a session and a page cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volition.benchmarks.commands.output import last_json, print_report
from volition.service.cli.options import JsonOption, progress


def register(bench: typer.Typer) -> None:
    """Add the commands of this module."""
    bench.command()(latency)
    bench.command()(compare)
    bench.command()(capacity)
    bench.command()(starts)
    bench.command()(broadband)
    bench.command()(pages)
    bench.command("during-fit")(during_fit)
    bench.command()(decoders)
    bench.command()(counts)


def latency(
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds measured of each contender.")
    ] = 60.0,
    floor_seconds: Annotated[
        float | None,
        typer.Option(
            min=1, help="Seconds of each part of the floor; as long as a contender when left out."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which they take turns.")] = 6,
    decoder: Annotated[str, typer.Option(help="Decoder: kalman or fbcca.")] = "kalman",
    channels: Annotated[int, typer.Option(min=1, help="Channels of the stream.")] = 64,
    rate: Annotated[float, typer.Option(min=1, help="Sampling rate, Hz.")] = 1000.0,
    chunk: Annotated[float, typer.Option(min=0.1, help="Length of a chunk, milliseconds.")] = 10.0,
    busy: Annotated[bool, typer.Option(help="Keep one core busy while it measures.")] = False,
    rehearse: Annotated[bool, typer.Option(help="Have the session rehearse each chunk.")] = True,
    grid: Annotated[
        bool, typer.Option(help="Measure every signal and chunk length of the grid.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Measure from the newest sample to a WebSocket client, in turns with the floor, in one run."""
    from volition.benchmarks.speed.latency import CHUNKS_S, SIGNALS, Cell, measure
    from volition.streams import lsl

    if decoder not in ("kalman", "fbcca"):
        raise typer.BadParameter(f"{decoder!r}; allowed: kalman, fbcca", param_hint="--decoder")
    cells = [Cell(channels, rate, chunk / 1e3, decoder, busy, rehearse)]  # type: ignore[arg-type]  # checked above
    if grid:
        cells = [
            Cell(n, rate_hz, chunk_s, "kalman", load, rehearse)
            for load in (False, True)
            for n, rate_hz in SIGNALS
            for chunk_s in CHUNKS_S
        ]
    rows = []
    with lsl.own_network():
        for cell in cells:
            progress(f"{cell}")
            rows.append(
                measure(
                    cell,
                    seconds=seconds,
                    rounds=rounds,
                    floor_seconds=floor_seconds,
                    on_round=progress,
                )
            )
    print_report({**rows[0], "rows": rows} if grid else rows[0], json)


def compare(
    before: Annotated[
        Path, typer.Argument(help="Report of `bench latency --json`, the earlier one.")
    ],
    after: Annotated[Path, typer.Argument(help="The later report.")],
    json: JsonOption = False,
) -> None:
    """Judge two latency reports by ratio, each to the floor of its own run.

    Exits with 1 when the later one is slower beyond what its rounds differ by.
    """
    from volition.benchmarks.speed.compare import compare as judge

    verdict = judge(last_json(before), last_json(after))
    print_report(verdict, json)
    if verdict["slower"]:
        raise typer.Exit(1)


def capacity(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of each load.")] = 20.0,
    json: JsonOption = False,
) -> None:
    """Measure how many sessions and clients fit, how broad a signal, and the cost at rest."""
    from volition.benchmarks.speed.capacity import measure
    from volition.streams import lsl

    with lsl.own_network():
        print_report(measure(seconds, progress), json)


def starts(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of each rest.")] = 20.0,
    rounds: Annotated[int, typer.Option(min=1, help="Services that are started in turn.")] = 5,
    further: Annotated[int, typer.Option(min=1, help="Sessions beside the first.")] = 8,
    json: JsonOption = False,
) -> None:
    """Measure how soon a service and a session start, their memory, and their cost at rest."""
    from volition.benchmarks.speed.starts import measure
    from volition.streams import lsl

    with lsl.own_network():
        print_report(measure(seconds, rounds=rounds, further=further), json)


def broadband(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds to measure.")] = 60.0,
    channels: Annotated[
        int, typer.Option(min=2, help="Channels at 30 kHz, in chunks of 1 ms.")
    ] = 1024,
    decoder: Annotated[str, typer.Option(help="Decoder: dkf or kalman.")] = "dkf",
    json: JsonOption = False,
) -> None:
    """Decode a broadband signal by its threshold crossings: from a bin's end to a client."""
    from volition.benchmarks.speed.capacity import broadband as measure
    from volition.streams import lsl

    if decoder not in ("dkf", "kalman"):
        raise typer.BadParameter(f"{decoder!r}; allowed: dkf, kalman", param_hint="--decoder")
    with lsl.own_network():
        print_report(measure(seconds, channels, decoder), json)  # type: ignore[arg-type]  # checked above


def pages(
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds with the pages and without, over all rounds.")
    ] = 120.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which both take turns.")] = 8,
    json: JsonOption = False,
) -> None:
    """Measure what three open pages cost the intents of a session of 64 channels at 1 kHz."""
    from volition.benchmarks.speed.pages import measure
    from volition.streams import lsl

    with lsl.own_network():
        print_report(measure(seconds=seconds, rounds=rounds, on_round=progress), json)


def during_fit(
    decoder: Annotated[str, typer.Option(help="Kind of the decoder that is calibrated.")] = "ecca",
    network: Annotated[
        str | None, typer.Option(help="For dnn: the network of many people to start from.")
    ] = None,
    fits: Annotated[int, typer.Option(min=1, help="Fits of the same trials.")] = 5,
    blocks: Annotated[int, typer.Option(min=2, help="Trials of each of four targets.")] = 5,
    json: JsonOption = False,
) -> None:
    """Measure what a calibration costs its session: samples lost, and how late its intents are."""
    from volition.benchmarks.speed.during_fit import during_fit as run
    from volition.streams import lsl

    named = {} if network is None else {"network": network}
    with lsl.own_network():
        print_report(run({"kind": decoder, **named}, blocks=blocks, fits=fits), json)


def decoders(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this stage or decoder; may be repeated.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Measure one size of each, in few passes.")] = False,
    json: JsonOption = False,
) -> None:
    """Measure what each stage and decoder costs, as it grows, beside packages that do the same.

    Processor time of one thread.
    """
    from volition.benchmarks.environment import PEER_PACKAGES
    from volition.benchmarks.speed.costs import measure_on_one_thread
    from volition.decoders import registry

    known = {*registry.stages(), *registry.decoders_by_kind()}
    if unknown := sorted({*(only or ())} - known):
        raise typer.BadParameter(
            f"{', '.join(unknown)}; known: {', '.join(sorted(known))}", param_hint="--only"
        )
    print_report(measure_on_one_thread(only, quick=quick, say=progress), json, PEER_PACKAGES)


def counts(
    instructions: Annotated[
        bool,
        typer.Option(
            help="Count the processor's instructions too, by perf or valgrind (a minute)."
        ),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Count what a chunk takes: calls, bytecodes, memory, instructions; the same on every machine.

    Exits with 1 when more is taken than benchmarks/speed/budget.toml allows.
    """
    from volition.benchmarks.speed.counts import measure

    result = measure(with_instructions=instructions, say=progress)
    print_report(result, json)
    if result["over"]:
        raise typer.Exit(1)
