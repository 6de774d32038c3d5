"""How the recordings in ``streams/recordings`` were made from the public data set.

    python -m volition.benchmarks.quality.making.package_recordings FOLDER_OF_NPZ [FOLDER_TO_WRITE]

The samples are those of the source, in microvolts as float32; each trial's onset becomes a JSON
marker. What lies more than ten seconds after the last trial is left out. The same input gives the
same bytes, so that the checksums in the card can be checked.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from volition.errors import RecordingError
from volition.streams.files.recording import Recording, packaged_folder, read_recording
from volition.streams.files.xdf_writer import XdfWriter

SOURCES = {"ssvep-exo-s03": "S03_r2.npz", "ssvep-exo-s12": "S12_r2.npz"}
"""Name of each packaged recording and the file of the data set that it is made from."""

AFTER_LAST_TRIAL_S = 10.0

_SAMPLES_PER_CHUNK = 256
_CARD = {
    "data_set": "sylvchev/dataset-ssvep-exoskeleton (MOABB: Kalunga2016)",
    "licence": "CC0-1.0",
    "citation": (
        "E. K. Kalunga, S. Chevallier, Q. Barthelemy, K. Djouani, E. Monacelli, Y. Hamam, Online "
        "SSVEP-based BCI using Riemannian geometry, Neurocomputing 191, 2016"
    ),
    "amplifier": "g.MOBIlab+",
    "reference": "ear mastoid",
    "ground": "Fz",
}


def package(name: str, source: Path, folder: Path) -> Path:
    """Write one recording and give its path; a file that is there already is made anew."""
    whole = read_recording(source)
    trial_s = float(whole.metadata["trial_s"])
    recording = whole.between(0.0, whole.trials()[-1].time + trial_s + AFTER_LAST_TRIAL_S)
    path = folder / f"{name}.xdf"
    path.unlink(missing_ok=True)
    origin = str(whole.metadata["source"])
    recorded_at = _recorded_at(origin)
    with XdfWriter(path, recorded_at=recorded_at) as writer:
        _write(writer, name, recording, {**_CARD, "source_file": origin, "trial_s": trial_s})
    return path


def _recorded_at(origin: str) -> str:
    """Read ``...record-[2012.07.11-15.33.08]_raw.fif`` as ``2012-07-11T15:33:08``."""
    match = re.search(r"\[(\d+)\.(\d+)\.(\d+)-(\d+)\.(\d+)\.(\d+)\]", origin)
    if match is None:
        raise RecordingError(f"'{origin}' does not say when it was recorded")
    year, month, day, hour, minute, second = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}"


def _write(
    writer: XdfWriter, name: str, recording: Recording, description: dict[str, object]
) -> None:
    signal = writer.add_signal(
        recording.spec, name=name, source_id=f"{name}-eeg", description=description
    )
    markers = writer.add_markers(name=f"{name}-markers", source_id=f"{name}-markers")
    for chunk, events in recording.chunks(_SAMPLES_PER_CHUNK):
        writer.write_samples(signal, chunk.samples, chunk.times)
        writer.write_texts(
            markers,
            [event.to_marker() for event in events],
            [event.time for event in events],
        )


def main(arguments: list[str]) -> int:
    """Make all packaged recordings and write their checksums to the standard output."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write(__doc__ or "")
        return 2
    source = Path(arguments[0])
    folder = Path(arguments[1]) if len(arguments) == 2 else packaged_folder()
    for name, file in SOURCES.items():
        path = package(name, source / file, folder)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sys.stdout.write(f"{digest}  {path.name}  {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
