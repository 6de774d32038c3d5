"""Recordings of people who look at targets, one a trial, and data sets of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from volition.benchmarks.quality.contract.dataset import Dataset, Load
from volition.streams.files.recording import Recording


@dataclass(frozen=True, slots=True)
class Trial:
    """What was asked of the person, and when.

    Attributes
    ----------
    onset
        LSL time at which the trial begins, seconds.
    freq_hz
        Flicker that was looked at; 0 at rest.
    """

    onset: float
    freq_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class TrialRecording:
    """A recording whose trials are known.

    Attributes
    ----------
    name
        Name of the file, without suffix.
    person
        Number of the person; None when the name does not say.
    recording
        The signal, with an event ``trial_start`` where each trial begins: all that a decoder sees.
    trials
        What was asked, in order of time: what only the score sees.
    trial_s
        For how long a trial lasts.
    """

    name: str
    person: int | None
    recording: Recording
    trials: tuple[Trial, ...]
    trial_s: float


class CalibrateOn(Enum):
    """What a decoder that is calibrated on its user is fitted to, before a recording is scored."""

    EARLIER_RECORDINGS = "the person's earlier recordings, or a first recording's first trials"
    OTHER_BLOCKS = "all other recordings of the person: each is a block of the same session"
    NOTHING = "a person has one stretch of each target: none is left to calibrate on"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialDataset(Dataset):
    """Trials with a target that is known: scored by forced choice, and by what is done at rest.

    Attributes
    ----------
    load
        Reads the recordings.
    calibrate_on
        What a decoder that needs its user's trials is fitted to.
    """

    load: Load[TrialRecording]
    calibrate_on: CalibrateOn = CalibrateOn.EARLIER_RECORDINGS
