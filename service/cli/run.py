"""Commands that play or run a signal: ``simulate``, ``replay`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import JsonOption, SessionOption, print_json


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
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
