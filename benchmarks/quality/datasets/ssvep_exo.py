"""Kalunga et al. 2016 (MOABB: SSVEPExo): LEDs at 13, 17 and 21 Hz, and rest; 8 channels, 256 Hz.

Whole continuous recordings, one ``.npz`` each, of the layout that
`volition.streams.files.recording` reads: eeg, scale_uV, fs, ch_names, onset (sample at which a
trial begins) and freq_hz (0 at rest). Any folder of such files will do. Files are named after the
person, ``S02_r1.npz``: what was chosen on some people can so be told from what was found on the
others.

E. K. Kalunga, S. Chevallier, Q. Barthelemy, K. Djouani, E. Monacelli, Y. Hamam, "Online SSVEP-based
BCI using Riemannian geometry", Neurocomputing 191, 2016.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from volition.benchmarks.quality.contract.trials import Trial, TrialDataset, TrialRecording
from volition.errors import RecordingError
from volition.streams.files.npz import archives
from volition.streams.files.recording import TRIAL_START, Recording, read_recording

#: Length of a trial where a file does not say.
TRIAL_S = 5.0


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read every recording in ``root``, in order of name.

    Parameters
    ----------
    root
        Folder of ``.npz`` files.
    channels, units
        As for `volition.streams.files.recording.read_recording`.

    Raises
    ------
    RecordingError
        There is no such folder, it holds no such file, or one cannot be read.
    """
    paths = archives(root)
    if not paths:
        found = "an empty one" if root.is_dir() else "none"
        if root.is_dir() and any(root.iterdir()):
            found = f"one with {', '.join(sorted(path.name for path in root.iterdir())[:5])}"
        raise RecordingError(
            f"ssvep_exo needs a folder of .npz recordings (S01_r1.npz, ...; each with eeg, "
            f"scale_uV, fs, ch_names, onset, freq_hz) at {root}; found {found}",
            root=str(root),
        )
    for path in paths:
        yield _read(path, read_recording(path, channels=channels, units=units))


def _read(path: Path, recording: Recording) -> TrialRecording:
    person = re.match(r"S(\d+)", path.stem)
    trials = tuple(
        Trial(event.time, float(event.data["freq_hz"]))
        for event in recording.events
        if event.name == TRIAL_START
    )
    return TrialRecording(
        path.stem,
        int(person[1]) if person else None,
        recording,
        trials,
        float(recording.metadata.get("trial_s", TRIAL_S)),
    )


DATASET = TrialDataset(
    name="ssvep_exo",
    summary="lights at 13, 17 and 21 Hz, and rest: 8 channels, 256 Hz (Kalunga et al. 2016)",
    load=load,
)
