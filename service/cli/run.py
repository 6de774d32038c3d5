"""Commands that play or run a signal: ``simulate``, ``replay`` and ``demo``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli.options import JsonOption, print_json, progress

if TYPE_CHECKING:
    from volition.service.sessions.config import SessionConfig
    from volition.streams.files.recording import Recording


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(simulate)
    app.command()(demo)
    app.command()(replay)


def replay(
    recording: Annotated[
        str,
        typer.Argument(help="A recording's file, or a packaged recording."),
    ],
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            help="A session file (YAML), or the name of a preset; the recorded session itself "
            "if left out.",
        ),
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Samples in a chunk.")] = 16,
    signal_stream: Annotated[
        str | None,
        typer.Option(
            "--signal",
            help="Name, source id or number of the signal in the file; the one that the session "
            "names if left out.",
        ),
    ] = None,
    marker_stream: Annotated[
        str | None,
        typer.Option(
            "--markers",
            help="Name, source id or number of the markers in the file; those that the session "
            "names if left out.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a recording through a session's pipeline, faster than real time.

    Prints each intent, then the SHA-256 of their canonical form (without the moments of decoding).
    A recording of a session is replayed by itself; the exit code is 1 when its intents are not
    those that were sent live.
    """
    from volition.decoders.contract.intent import Intent, canonical_json
    from volition.errors import ConfigError
    from volition.service.sessions.config import load_config
    from volition.service.worker.replay import recorded_session
    from volition.service.worker.replay import replay as run
    from volition.streams.files.recording import packaged_recordings, read_recording

    path = packaged_recordings().get(recording, Path(recording))
    config = None if session is None else load_config(session)
    if config is None:
        signal = read_recording(path, stream=signal_stream, markers=marker_stream)
    else:
        signal = _signal_for(path, config, signal_stream, marker_stream)
    recorded = recorded_session(signal) if config is None else None
    if config is None and recorded is None:
        raise ConfigError(f"{path.name} is of no session; say which to run with --session")

    def show(intent: Intent) -> None:
        if not json:
            print(canonical_json(intent).decode())

    for deprecation in config.deprecations if config is not None else ():
        progress(f"{session}: {deprecation}")
    for warning in signal.warnings:
        progress(f"{path.name}: {warning}")
    if recorded is not None:
        if recorded.lacks:
            progress(f"{path.name}: {recorded.lacks}")
        done = run(
            signal, recorded.config, chunk, show, recorded.next_seq, changes=recorded.changes
        )
    else:
        assert config is not None
        done = run(signal, config, chunk, show)
    result = {
        "sha256": done.sha256,
        "intents": done.intents,
        "signal_s": round(done.signal_s, 3),
        "took_s": round(done.took_s, 4),
        "realtime_factor": round(done.realtime_factor, 1),
        "chunk": chunk,
        "missing": done.continuity["missing"],
        "resets": done.continuity["resets"],
    }
    same = True
    if recorded is not None:
        same = recorded.live_sha256 == done.sha256
        result |= {
            "session": recorded.session,
            "live_sha256": recorded.live_sha256,
            "live_intents": recorded.live_intents,
            "swaps": len(recorded.swaps),
            "lacks": recorded.lacks,
            "same": same,
        }
    if json:
        print_json(result)
    else:
        print(
            f"sha256 {done.sha256}  {done.intents} intents, {done.realtime_factor:.0f} x real time"
        )
        if recorded is not None:
            print(
                f"live   {recorded.live_sha256}  {recorded.live_intents} intents: "
                f"{'the same' if same else 'NOT the same'}"
            )
    sys.exit(0 if same else 1)


def _signal_for(
    path: Path, config: SessionConfig, stream: str | None, markers: str | None
) -> Recording:
    """Read a recording as a session would have received it."""
    from volition.service.sessions.config import read_for
    from volition.service.worker.replay import recorded_session

    wanted = config.stream
    signal = read_for(path, wanted, config.markers, signal=stream, marker_stream=markers)
    if recorded_session(signal) is None:
        hears_markers = config.markers is not None or markers is not None
        return signal if hears_markers else _without_events(signal)
    # A session records microvolts, whatever unit its stream had or was said to have.
    if wanted.units is None:
        return signal
    as_recorded = wanted.model_copy(update={"units": None})
    return read_for(path, as_recorded, config.markers, signal=stream, marker_stream=markers)


def _without_events(signal: Recording) -> Recording:
    """Leave out what a session without a marker stream would not have heard live."""
    if not signal.events:
        return signal
    told = (
        f"the session names no marker stream: {len(signal.events)} events are left out; give it "
        "markers, or choose a stream of the file with --markers"
    )
    return replace(signal, events=(), warnings=(*signal.warnings, told))


def simulate(
    recording: Annotated[
        str | None,
        typer.Argument(help="A recording's file, or a packaged recording; made up if left out."),
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Samples sent together.")] = 8,
    start: Annotated[float, typer.Option(min=0, help="Where to begin, seconds.")] = 0.0,
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials to play.")] = None,
    skip_rest: Annotated[bool, typer.Option(help="Do not count trials at rest.")] = False,
    loop: Annotated[bool, typer.Option(help="Begin again at the end.")] = False,
    name: Annotated[str, typer.Option(help="Name of the stream.")] = "volition-headset",
    source_id: Annotated[str, typer.Option(help="Source id of the stream.")] = "volition-headset",
    channels: Annotated[int, typer.Option(min=1, help="Channels of the made-up signal.")] = 8,
    rate: Annotated[float, typer.Option(min=1, help="Rate of the made-up signal, Hz.")] = 250.0,
    flicker: Annotated[float, typer.Option(min=0, help="Sine in the made-up signal, Hz.")] = 12.0,
    participant: Annotated[
        int | None,
        typer.Option(min=0, help="Play a simulated person of this number, at a 40-target speller."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            help="A session file, or the name of a preset, that says which streams of a file with "
            "several are played.",
        ),
    ] = None,
    signal_stream: Annotated[
        str | None,
        typer.Option("--signal", help="Name, source id or number of the signal to play."),
    ] = None,
    marker_stream: Annotated[
        str | None,
        typer.Option("--markers", help="Name, source id or number of the markers to play."),
    ] = None,
    steered_by: Annotated[
        str | None,
        typer.Option(
            help="Source id of an LSL marker stream that tells the person what is on the screen: "
            "trial_start with freq_hz."
        ),
    ] = None,
) -> None:
    """Play a recording, or a made-up signal, as a headset would: an LSL stream and its markers.

    A simulated person (--participant) looks at what the stream named by --steered-by tells of.
    """
    from volition.errors import ConfigError
    from volition.service.sessions.config import load_config
    from volition.streams.files.recording import packaged_recordings
    from volition.streams.simulated.headset import (
        FileStreams,
        HeadsetOptions,
        HeadsetProcess,
        Sine,
        SyntheticSignal,
    )
    from volition.streams.simulated.ssvep_participant import SsvepParticipant

    if steered_by is not None and participant is None:
        raise ConfigError("--steered-by is for a simulated person: give --participant too")
    source: Path | SyntheticSignal | SsvepParticipant
    if participant is not None:
        source = SsvepParticipant(seed=participant, rate_hz=rate)
    elif recording is None:
        sines = (Sine(flicker, 4.0),) if flicker else ()
        source = SyntheticSignal(channels, rate, sines=sines, noise_uv=8.0)
    else:
        source = packaged_recordings().get(recording, Path(recording))
    streams = FileStreams(signal_stream, marker_stream)
    if session is not None:
        config = load_config(session)
        streams = FileStreams(
            signal_stream or config.stream.keys(),
            marker_stream or (None if config.markers is None else config.markers.keys()),
            config.stream.trigger_channel,
        )
    options = HeadsetOptions(
        source,
        streams=streams,
        name=name,
        source_id=source_id,
        chunk_samples=chunk,
        start_s=start,
        start_trial=None if trials is None else 0,
        trials=trials,
        skip_rest=skip_rest,
        loop=loop,
        steered_by=steered_by,
    )
    with HeadsetProcess(options) as headset:
        what = "a simulated person" if participant is not None else recording or "a made-up signal"
        progress(f"playing {what} as {name}; Ctrl-C ends it")
        try:
            while headset.is_alive and not headset.wait_until_finished(0.5):
                pass
        except KeyboardInterrupt:
            progress("stopped")


def demo(
    trials: Annotated[int, typer.Option(min=1, max=24, help="Trials to play.")] = 8,
    recording: Annotated[str, typer.Option(help="A packaged recording.")] = "ssvep-exo-s12",
    svg: Annotated[Path | None, typer.Option(help="Save the table as a picture.")] = None,
    browser: Annotated[
        bool, typer.Option(help="Open the console in a browser, where there is a screen.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Watch recorded EEG become selections, live, and see the score.

    Exits with 1 when a decision was lost or the accuracy is not clearly above chance.
    """
    import webbrowser

    from rich.console import Console

    from volition.service.cli.demo_table import DemoTable
    from volition.service.cli.demonstration import run_demo

    console = Console(stderr=json, record=svg is not None)

    def show_pages(address: str) -> None:
        if svg is None:
            progress(f"the console shows it too: {address}")
        # Without a screen, a browser within the terminal would take it from the table.
        screen = sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & {
            *os.environ
        }
        if browser and screen and console.is_terminal:
            webbrowser.open(address)

    with DemoTable(console) as table:
        score = run_demo(
            trials,
            recording=recording,
            on_cue=table.cue,
            on_trial=table.trial,
            on_say=table.say,
            on_session=show_pages,
        )
    summary = score.summary()
    table.summary(summary)
    progress(
        "'volition serve' (make serve), then http://127.0.0.1:8765: the console; /speller and "
        "/cursor have a simulated person to try them with"
    )
    if svg is not None:
        table.save(svg)
    if json:
        print_json(summary)
    sys.exit(0 if score.as_it_should_be else 1)
