"""``volition recordings``: give them to others, report on them, delete them in time."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volition.errors import ConfigError
from volition.service.cli.options import JsonOption, print_json, progress

if TYPE_CHECKING:
    from volition.chunk import Event
    from volition.streams.files.recording import Recording

_UNITS_S = {"h": 3600, "d": 86400, "w": 7 * 86400}


def bids(
    recordings: Annotated[
        list[str],
        typer.Argument(help="Files, or ids of recordings that the service keeps."),
    ],
    root: Annotated[Path, typer.Option(help="Folder of the data set; made or added to.")],
    participant: Annotated[
        str, typer.Option(help="Pseudonym, letters and digits: BIDS' 'sub'. Never a name.")
    ],
    task: Annotated[str, typer.Option(help="What was done: letters and digits.")],
    sitting: Annotated[
        str | None, typer.Option(help="Which sitting, letters and digits: BIDS' 'ses'.")
    ] = None,
    power_line: Annotated[
        float | None, typer.Option(help="Frequency of the mains, Hz: 50 or 60.")
    ] = None,
    reference: Annotated[str, typer.Option(help="Where the reference electrode was.")] = "n/a",
    json: JsonOption = False,
) -> None:
    """Add recordings to a BIDS data set, as runs of a participant's task.

    What a session decided stands among the events. No date is written.
    """
    from volition.streams.files.bids import BidsRun, write_bids
    from volition.streams.files.recording import read_recording

    run = BidsRun(participant, task, sitting, power_line, reference)
    written = []
    for named in recordings:
        recording = read_recording(path_of(named))
        for warning in recording.warnings:
            progress(f"{named}: {warning}")
        written.append(write_bids(root, recording, run, decided_in(recording)))
    if json:
        print_json({"runs": [str(path) for path in written]})
    for path in () if json else written:
        print(path)


def report(
    recording: Annotated[
        str, typer.Argument(help="A file, or the id of a recording that the service keeps.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file; here, by the name of the recording, when left out."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a page of a recording: its signal, what was decided and how late, what went wrong.

    It is one HTML file that needs no network.
    """
    from volition.service.reports.findings import findings_of
    from volition.service.reports.page import page
    from volition.streams.files.recording import read_recording

    found = findings_of(read_recording(path_of(recording)))
    path = out or Path(f"{Path(found.file).stem}.html")
    try:
        path.write_text(page(found), "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    if json:
        trials = found.trials
        print_json(
            {
                "page": str(path),
                "intents": len(found.intents),
                "trials": None if trials is None else {"right": trials.right, "n": trials.n},
            }
        )
    else:
        progress(f"wrote {path}")


def prune(
    keep: Annotated[str, typer.Option(help="Age of the oldest that are kept: 30d, 12h, 8w.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Delete recordings that have not been written to for longer than they are to be kept."""
    from volition.service.sessions.folders import recordings_folder

    oldest = time.time() - age_s(keep)
    paths = [one for one in recordings_folder().glob("*.xdf") if one.is_file()]
    past = sorted(one for one in paths if one.stat().st_mtime < oldest)
    for path in () if dry_run else past:
        path.unlink(missing_ok=True)
    if json:
        print_json({"deleted": [path.stem for path in past], "kept": len(paths) - len(past)})
        return
    for path in past:
        print(path.stem)
    what = "would be deleted" if dry_run else "deleted"
    progress(f"{len(past)} {what}, {len(paths) - len(past)} kept")


def age_s(text: str) -> float:
    """Read an age such as ``30d``, seconds."""
    found = re.fullmatch(r"(\d+)([hdw])", text.strip())
    if found is None:
        raise ConfigError(f"an age is a number of hours, days or weeks (12h, 30d, 8w): {text!r}")
    return int(found[1]) * float(_UNITS_S[found[2]])


def path_of(named: str) -> Path:
    """Give the file of a recording: a path, or the id of one that the service keeps."""
    from volition.service.sessions.folders import recordings_folder

    kept = recordings_folder() / f"{named}.xdf"
    is_id = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", named) is not None
    return kept if is_id and kept.is_file() else Path(named)


def decided_in(recording: Recording) -> list[Event]:
    """Give what a session decided, by its recording, as events."""
    import json as json_

    from volition.chunk import Event
    from volition.service.worker.recorder import INTENTS

    found = []
    for _, text in recording.metadata.get("texts", {}).get(INTENTS, []):
        intent = json_.loads(text)
        name = "/".join(["intent", intent["kind"], *filter(None, [intent.get("label")])])
        keys = ("seq", "confidence", "velocity", "reason", "decoder", "model")
        data = {key: intent[key] for key in keys if intent.get(key) is not None}
        found.append(Event(float(intent["t_sample"]), name, data))
    return found
