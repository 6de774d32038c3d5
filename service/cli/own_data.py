"""``volition train`` and ``volition recordings``: what was recorded elsewhere, for use here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volition.service.cli import export
from volition.service.cli.options import JsonOption, SessionOption, print_json, progress

if TYPE_CHECKING:
    from volition.streams.files.recording import Recording
    from volition.streams.files.trial_mapping import TrialMapping

TrialsOption = Annotated[
    Path | None,
    typer.Option(
        "--trials",
        help="YAML that says which markers begin which trials; events that name their target "
        "when left out.",
    ),
]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="XDF, EDF, BDF, BrainVision, FIF or npz files, or folders of them."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(train)
    group = typer.Typer(help="The recordings that the service keeps.", no_args_is_help=True)
    group.command("import")(import_)
    group.command("list")(list_)
    group.command()(export.bids)
    group.command()(export.prune)
    group.command()(export.report)
    app.add_typer(group, name="recordings")


def train(
    recordings: FilesArgument,
    session: SessionOption,
    name: Annotated[str, typer.Option(help="Name of the model: lower case, digits, - and _.")],
    trials: TrialsOption = None,
    licence: Annotated[
        str, typer.Option(help="Licence of the recordings, for the model's card.")
    ] = "",
    note: Annotated[str, typer.Option(help="Note for the model's card.")] = "",
    json: JsonOption = False,
) -> None:
    """Fit a session's decoder to recordings, and keep it in the registry as a new version.

    The scores are from trials that were left out. A session names the model as NAME@VERSION, or as
    NAME for the newest.
    """
    from volition.service.calibration.training import train as run
    from volition.service.sessions.config import load_config

    config = load_config(session)
    found = [one for path in recordings for one in read(path, trials, config.stream.channels)]

    def say(share: float, step: str) -> None:
        progress(f"{100 * share:3.0f} %  {step}")

    made = run(config, found, name, licence=licence, note=note, progress=say)
    if json:
        print_json({**made.model_dump(mode="json"), "reference": made.reference})
        return
    print(made.reference)
    for key in ("accuracy", "interval", "chance", "n_trials"):
        if key in made.scores:
            print(f"{key}: {made.scores[key]}")


def import_(
    files: FilesArgument,
    trials: TrialsOption = None,
    json: JsonOption = False,
) -> None:
    """Copy recordings into the data folder as XDF, their trials as markers, to calibrate on.

    A calibration of a session then names one as its recording; the service lists it.
    """
    from volition.service.sessions.folders import recordings_folder

    recordings_folder().mkdir(parents=True, exist_ok=True)
    made = [_write(one) for path in files for one in read(path, trials, None)]
    if json:
        print_json({"recordings": made})
    for id_ in () if json else made:
        print(id_)


def list_(json: JsonOption = False) -> None:
    """List the recordings of the data folder, newest first."""
    from volition.service.sessions.folders import recordings_folder

    paths = sorted(recordings_folder().glob("*.xdf"), key=lambda one: -one.stat().st_mtime)
    if json:
        print_json({"recordings": [{"id": p.stem, "bytes": p.stat().st_size} for p in paths]})
    for path in () if json else paths:
        print(f"{path.stem}  {path.stat().st_size} bytes")


def read(path: Path, trials: Path | None, channels: list[str] | None) -> list[Recording]:
    """Read a recording, or each of a folder, with its trials."""
    from volition.streams.files.recording import read_recording, recordings_in
    from volition.streams.files.trial_mapping import TrialMapping, trials_in

    mapping: TrialMapping | None = None if trials is None else TrialMapping.read(trials)
    found = []
    for file in recordings_in(path):
        recording = read_recording(file, channels=channels)
        for warning in recording.warnings:
            progress(f"{file.name}: {warning}")
        found.append(trials_in(recording, mapping))
    return found


def _write(recording: Recording) -> str:
    """Write a recording into the folder of recordings; give its id."""
    from volition.errors import RecordingError
    from volition.service.sessions.folders import recordings_folder
    from volition.streams.files.xdf_writer import XdfWriter

    stem = Path(str(recording.metadata.get("file", "recording"))).stem
    id_ = re.sub(r"[^A-Za-z0-9_.-]", "-", stem).lstrip(".-")[:150] or "recording"
    path = recordings_folder() / f"{id_}.xdf"
    if path.exists():
        raise RecordingError(f"there is a recording {id_} already; rename the file")
    with XdfWriter(path) as writer:
        signal = writer.add_signal(recording.spec, name=id_, source_id=id_)
        markers = writer.add_markers(name=f"{id_}-markers", source_id=f"{id_}-markers")
        for chunk, events in recording.chunks(1024):
            writer.write_samples(signal, chunk.samples, chunk.times)
            texts, times = [e.to_marker() for e in events], [e.time for e in events]
            writer.write_texts(markers, texts, times)
    return id_
