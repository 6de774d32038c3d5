"""Commands that play or run a signal: ``simulate``, ``replay`` and ``demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import JsonOption, SessionOption, print_json, progress


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(simulate)
    app.command()(demo)
    app.command()(replay)


def replay(
    recording: Annotated[str, typer.Argument(help="An XDF or npz file, or a packaged recording.")],
    session: SessionOption,
    chunk: Annotated[int, typer.Option(min=1, help="Samples in a chunk.")] = 16,
    json: JsonOption = False,
) -> None:
    """Run a recording through a session's pipeline, faster than real time.

    Prints each intent, then the SHA-256 of their canonical form (without the moments of decoding).
    """
    from decoders.intent import Intent, canonical_json
    from service.config import load_config
    from service.replay import replay as run
    from streams.recording import packaged_recordings, read_recording

    config = load_config(session)
    path = packaged_recordings().get(recording, Path(recording))
    signal = read_recording(path, channels=config.stream.channels, units=config.stream.units)

    def show(intent: Intent) -> None:
        if not json:
            print(canonical_json(intent).decode())

    done = run(signal, config, chunk, show)
    if json:
        print_json(
            {
                "sha256": done.sha256,
                "intents": done.intents,
                "signal_s": round(done.signal_s, 3),
                "took_s": round(done.took_s, 4),
                "realtime_factor": round(done.realtime_factor, 1),
                "chunk": chunk,
            }
        )
    else:
        print(
            f"sha256 {done.sha256}  {done.intents} intents, {done.realtime_factor:.0f} x real time"
        )


def simulate(
    recording: Annotated[
        str | None,
        typer.Argument(help="An XDF or npz file, or a packaged recording; made up if left out."),
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Samples sent together.")] = 8,
    start: Annotated[float, typer.Option(min=0, help="Where to begin, seconds.")] = 0.0,
    trials: Annotated[int | None, typer.Option(min=1, help="Play so many trials.")] = None,
    skip_rest: Annotated[bool, typer.Option(help="Do not count trials at rest.")] = False,
    loop: Annotated[bool, typer.Option(help="Begin again at the end.")] = False,
    name: Annotated[str, typer.Option(help="Name of the stream.")] = "volition-headset",
    source_id: Annotated[str, typer.Option(help="Source id of the stream.")] = "volition-headset",
    channels: Annotated[int, typer.Option(min=1, help="Channels of the made-up signal.")] = 8,
    rate: Annotated[float, typer.Option(min=1, help="Rate of the made-up signal, Hz.")] = 250.0,
    flicker: Annotated[float, typer.Option(min=0, help="Sine in the made-up signal, Hz.")] = 12.0,
) -> None:
    """Play a recording, or a made-up signal, as a headset would: an LSL stream and its markers."""
    from streams.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal
    from streams.recording import packaged_recordings

    source: Path | SyntheticSignal
    if recording is None:
        sines = (Sine(flicker, 4.0),) if flicker else ()
        source = SyntheticSignal(channels, rate, sines=sines, noise_uv=8.0)
    else:
        source = packaged_recordings().get(recording, Path(recording))
    options = HeadsetOptions(
        source,
        name=name,
        source_id=source_id,
        chunk_samples=chunk,
        start_s=start,
        start_trial=None if trials is None else 0,
        trials=trials,
        skip_rest=skip_rest,
        loop=loop,
    )
    with HeadsetProcess(options) as headset:
        progress(f"playing {recording or 'a made-up signal'} as {name}; Ctrl-C ends it")
        try:
            while headset.is_alive and not headset.wait_until_finished(0.5):
                pass
        except KeyboardInterrupt:
            progress("stopped")


def demo(
    trials: Annotated[int, typer.Option(min=1, max=24, help="Trials to play.")] = 8,
    recording: Annotated[str, typer.Option(help="A packaged recording.")] = "ssvep-exo-s12",
    svg: Annotated[Path | None, typer.Option(help="Save the table as a picture.")] = None,
    json: JsonOption = False,
) -> None:
    """Watch recorded EEG become selections, live, and see the score.

    Exits with 1 when a decision was lost or the accuracy is not clearly above chance.
    """
    from rich.console import Console

    from service.cli.demo_table import DemoTable
    from service.demo import run_demo

    console = Console(stderr=json, record=svg is not None)
    with DemoTable(console) as table:
        score = run_demo(
            trials,
            recording=recording,
            on_cue=table.cue,
            on_trial=table.trial,
            on_say=table.say,
        )
    summary = score.summary()
    table.summary(summary)
    if svg is not None:
        table.save(svg)
    if json:
        print_json(summary)
    sys.exit(0 if score.as_it_should_be else 1)
