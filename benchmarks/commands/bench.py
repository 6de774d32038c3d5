"""``volition bench``: measurements, each with what it was measured on."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from volition.service.cli.options import JsonOption, print_json, progress

bench = typer.Typer(help="Measure latency, capacity and the rest.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(bench, name="bench")


@bench.command()
def latency(
    seconds: Annotated[float, typer.Option(min=1, help="Of each contender.")] = 60.0,
    floor_seconds: Annotated[
        float | None, typer.Option(min=1, help="Of each part of the floor, if not as long.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often they take turns.")] = 6,
    decoder: Annotated[str, typer.Option(help="kalman or fbcca.")] = "kalman",
    channels: Annotated[int, typer.Option(min=1)] = 64,
    rate: Annotated[float, typer.Option(min=1, help="Hz.")] = 1000.0,
    chunk: Annotated[float, typer.Option(min=0.1, help="Milliseconds.")] = 10.0,
    busy: Annotated[bool, typer.Option(help="Keep one core busy meanwhile.")] = False,
    rehearse: Annotated[bool, typer.Option(help="Have the session rehearse each chunk.")] = True,
    grid: Annotated[bool, typer.Option(help="Every signal and chunk length of the grid.")] = False,
    json: JsonOption = False,
) -> None:
    """Newest sample to a WebSocket client, beside the floor, in turns, in one run."""
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
    _report({**rows[0], "rows": rows} if grid else rows[0], json)


@bench.command()
def capacity(
    seconds: Annotated[float, typer.Option(min=1, help="Of each load.")] = 20.0,
    json: JsonOption = False,
) -> None:
    """How many sessions and clients, how broad a signal, how soon, at what rest."""
    from volition.benchmarks.speed.capacity import measure
    from volition.streams import lsl

    with lsl.own_network():
        _report(measure(seconds, progress), json)


@bench.command()
def broadband(
    seconds: Annotated[float, typer.Option(min=1)] = 60.0,
    channels: Annotated[int, typer.Option(min=2, help="At 30 kHz, in chunks of 1 ms.")] = 1024,
    decoder: Annotated[str, typer.Option(help="dkf or kalman.")] = "dkf",
    json: JsonOption = False,
) -> None:
    """Broadband, threshold crossings, bins of 20 ms and a filter: bin end to a WebSocket client."""
    from volition.benchmarks.speed.capacity import broadband as measure
    from volition.streams import lsl

    if decoder not in ("dkf", "kalman"):
        raise typer.BadParameter(f"{decoder!r}; allowed: dkf, kalman", param_hint="--decoder")
    with lsl.own_network():
        _report(measure(seconds, channels, decoder), json)  # type: ignore[arg-type]  # checked above


@bench.command()
def pages(
    seconds: Annotated[float, typer.Option(min=1, help="Of each, over all rounds.")] = 120.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often they take turns.")] = 8,
    json: JsonOption = False,
) -> None:
    """What three pages open in a browser cost the intents of a session of 64 channels at 1 kHz."""
    from volition.benchmarks.speed.pages import measure
    from volition.streams import lsl

    with lsl.own_network():
        _report(measure(seconds=seconds, rounds=rounds, on_round=progress), json)


@bench.command("closed-loop")
def closed_loop(
    trials: Annotated[int, typer.Option(min=1, help="Of each decoder.")] = 40,
    disturbed: Annotated[
        int, typer.Option(min=0, help="And so many with the best unit 5 SD off.")
    ] = 40,
    task: Annotated[str, typer.Option(help="radial-8, random, grid or fitts.")] = "radial-8",
    seed: Annotated[int, typer.Option(help="Who plays.")] = 0,
    calibration: Annotated[
        bool, typer.Option(help="Have one begin with nothing and calibrate for three minutes.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """A simulated person and the cursor, through the service, with each decoder at once."""
    from volition.benchmarks.quality.simulated.closed_loop import closed_loop as run
    from volition.streams import lsl
    from volition.streams.simulated.cursor_participant import CursorParticipant
    from volition.streams.simulated.cursor_tasks import TASKS

    if task not in TASKS:
        raise typer.BadParameter(f"{task!r}; allowed: {', '.join(TASKS)}", param_hint="--task")
    with lsl.own_network():
        result = run(
            task_name=task,
            n_trials=trials,
            n_disturbed=disturbed,
            participant=CursorParticipant(seed=seed),
            guide_s=180.0 if calibration else None,
            on_step=progress,
        )
    _report({"task": task, **result}, json)


@bench.command()
def decoders(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this stage or decoder; may be repeated.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="One size of each, in few passes.")] = False,
    json: JsonOption = False,
) -> None:
    """What every stage and decoder costs, how it grows, and beside the packages that do the same.

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
    _report(measure_on_one_thread(only, quick=quick, say=progress), json, PEER_PACKAGES)


@bench.command()
def peers(
    seconds: Annotated[float, typer.Option(min=1, help="Of each contender.")] = 60.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often they take turns.")] = 4,
    channels: Annotated[int, typer.Option(min=1)] = 64,
    rate: Annotated[float, typer.Option(min=1, help="Hz.")] = 1000.0,
    chunk: Annotated[float, typer.Option(min=0.1, help="Milliseconds.")] = 10.0,
    python: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=INTERPRETER of a peer (ezmsg, mne-lsl, timeflux); those that `make bench` "
            "makes serve when left out."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """The same feed and band-pass through Volition, ezmsg, MNE-LSL and timeflux, in turns.

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
    _report(result, json)


@bench.command()
def counts(
    instructions: Annotated[
        bool, typer.Option(help="Also those of the processor, by perf or valgrind (a minute).")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Count what a chunk takes: calls, bytecodes, memory, instructions; the same on every machine.

    Exits with 1 when more is taken than benchmarks/speed/budget.toml allows.
    """
    from volition.benchmarks.speed.counts import measure

    result = measure(with_instructions=instructions, say=progress)
    _report(result, json)
    if result["over"]:
        raise typer.Exit(1)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Report of `bench latency --json`.")],
    after: Annotated[Path, typer.Argument(help="The same, later.")],
    json: JsonOption = False,
) -> None:
    """Judge two latency reports by ratio, each to the floor of its own run.

    Exits with 1 when the later one is slower beyond what its rounds differ by.
    """
    from volition.benchmarks.speed.compare import compare as judge

    verdict = judge(_last_json(before), _last_json(after))
    _report(verdict, json)
    if verdict["slower"]:
        raise typer.Exit(1)


@bench.command()
def report(
    latency: Annotated[
        list[Path] | None, typer.Option(help="Report of `bench latency --json`; may be repeated.")
    ] = None,
    capacity: Annotated[Path | None, typer.Option(help="Report of `bench capacity`.")] = None,
    decoders: Annotated[Path | None, typer.Option(help="Report of `bench decoders`.")] = None,
    peers: Annotated[Path | None, typer.Option(help="Report of `bench peers`.")] = None,
    counts: Annotated[Path | None, typer.Option(help="Report of `bench counts`.")] = None,
    out: Annotated[Path, typer.Option(help="The document to write.")] = Path("docs/benchmarks.md"),
) -> None:
    """Write the document of figures from reports, and drawings beside it."""
    from volition.benchmarks.report import write

    others = {"capacity": capacity, "decoders": decoders, "peers": peers, "counts": counts}
    read = {name: _last_json(path) for name, path in others.items() if path is not None}
    if not latency and not read:
        raise typer.BadParameter("give at least one report")
    write([_last_json(path) for path in latency or ()], read, out)


@bench.command()
def faults(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only causes whose key begins like this; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many causes at a time.")] = 3,
    table: Annotated[Path | None, typer.Option(help="Write the table, as docs/faults.md.")] = None,
    json: JsonOption = False,
) -> None:
    """Cause every failure for real, one row each, and hold the service to its promises.

    Exits with 1 when a promise was broken.
    """
    from volition.benchmarks.faults.table import CAUSES, document, run_faults
    from volition.streams import lsl

    keys = [key for key in CAUSES if not only or key.startswith(tuple(only))]
    if not keys:
        raise typer.BadParameter(f"none of {', '.join(CAUSES)}", param_hint="--only")

    def say(row: dict[str, Any]) -> None:
        progress(f"{'ok' if row['ok'] else 'NO'}  {row['fault']}  {row['detail']}")

    with lsl.own_network():
        rows = run_faults(keys, jobs=jobs, on_row=say)
    if table is not None:
        from volition.benchmarks.environment import environment

        table.write_text(document(rows, environment()), encoding="utf-8")
    broken = [row["fault"] for row in rows if not row["ok"]]
    _report({"ok": not broken, "broken": broken, "rows": rows}, json)
    if broken:
        raise typer.Exit(1)


@bench.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 5.0,
    outlets: Annotated[int, typer.Option(min=1, help="And as many sessions.")] = 8,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 1,
    json: JsonOption = False,
) -> None:
    """Kill outlets at random, and see every session come back with every sample accounted for.

    Exits with 1 when a session hung, came back late, or a sample is wrong.
    """
    from volition.benchmarks.faults.chaos import chaos as run
    from volition.streams import lsl

    with lsl.own_network():
        result = run(minutes, outlets=outlets, seed=seed, on_step=progress)
    _report(result, json)
    if result["hangs"] or result["wrong_samples"] or result["recovery_s"]["late"]:
        raise typer.Exit(1)


@bench.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="After a minute of warm-up.")] = 10.0,
    sessions: Annotated[int, typer.Option(min=1)] = 2,
    json: JsonOption = False,
) -> None:
    """Run for long, and see whether memory, open files, threads or latency grow."""
    from volition.benchmarks.faults.soak import soak as run
    from volition.streams import lsl

    with lsl.own_network():
        _report(run(minutes, sessions=sessions, on_step=progress), json)


@bench.command()
def speller(
    people: Annotated[int, typer.Option(min=1, help="Simulated participants.")] = 2,
    network: Annotated[bool, typer.Option(help="Train the two-stage network too: minutes.")] = True,
    json: JsonOption = False,
) -> None:
    """What each SSVEP decoder reads among forty targets, by length of the window."""
    from volition.benchmarks.quality.simulated.speller import speller as run

    _report(run(people, say=progress, network=network), json)


@bench.command("during-fit")
def during_fit(
    decoder: Annotated[str, typer.Option(help="Kind of the one that is calibrated.")] = "ecca",
    network: Annotated[
        str | None, typer.Option(help="For dnn: the network of many people to start from.")
    ] = None,
    fits: Annotated[int, typer.Option(min=1, help="Of the same trials.")] = 5,
    blocks: Annotated[int, typer.Option(min=2, help="Trials of each of four targets.")] = 5,
    json: JsonOption = False,
) -> None:
    """What a calibration costs its session: samples lost, and how late its intents are."""
    from volition.benchmarks.speed.during_fit import during_fit as run
    from volition.streams import lsl

    named = {} if network is None else {"network": network}
    with lsl.own_network():
        _report(run({"kind": decoder, **named}, blocks=blocks, fits=fits), json)


@bench.command()
def spectrum(
    root: Annotated[Path, typer.Option(help="Folder of ssvep_exo.")],
    out: Annotated[Path | None, typer.Option(help="Draw it, as docs/ssvep-spectrum.svg.")] = None,
    json: JsonOption = False,
) -> None:
    """The amplitude spectrum of the simulated participant beside that of real people."""
    from volition.benchmarks.quality.simulated.spectrum import spectra

    result = spectra(root)
    if out is not None:
        from volition.benchmarks import drawings

        out.write_text(drawings.spectra(result), "utf-8")
    _report(result, json)


@bench.command()
def idle(
    reports: Annotated[
        list[str], typer.Argument(help="NAME=REPORT, each of `evaluate --idle-sweep --json`.")
    ],
    out: Annotated[Path, typer.Option(help="What to draw.")] = Path("docs/ssvep-idle.svg"),
) -> None:
    """Draw false selections a minute at rest against the share of trials that are selected."""
    from volition.benchmarks import drawings

    named = dict(one.split("=", 1) for one in reports if "=" in one)
    if len(named) < len(reports):
        raise typer.BadParameter("each must be NAME=REPORT, and each name another")
    curves = {name: _last_json(Path(path)) for name, path in named.items()}
    out.write_text(drawings.idle_curves(curves), "utf-8")


def _last_json(path: Path) -> Any:
    return json_module.loads(path.read_text("utf-8").strip().splitlines()[-1])


def _report(result: dict[str, Any], json: bool, packages: Sequence[str] = ()) -> None:
    from volition.benchmarks.environment import environment

    result = {**result, "environment": environment(packages)}
    if json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")
