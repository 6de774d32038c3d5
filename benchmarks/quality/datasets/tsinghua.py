"""The data sets of Tsinghua's BCI laboratory with forty targets: Benchmark, BETA, and a probe.

Benchmark (Wang et al., IEEE TNSRE 25:1746, 2017): ``S1.mat`` to ``S35.mat``, ``data`` of shape
(64 channels, 1500 samples, 40 targets, 6 blocks), 250 Hz: 0.5 s before the flicker, 5 s of it,
0.5 s after. BETA (Liu et al., Front. Neurosci. 14:627, 2020): ``data.EEG`` of shape (64, 750 or
1000, 4 blocks, 40 targets), 2 or 3 s of flicker. ``benchmark_8`` is an ``.npz`` with the first
eight trials of the Benchmark's first person: a probe of axes, latency and frequencies, no more.

A block becomes one recording: its trials end to end, each channel's mean taken off each trial, so
that the joins make small steps, and what lies before a flicker settles the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    Trial,
    TrialDataset,
    TrialRecording,
)
from volition.chunk import Event, FloatArray
from volition.errors import RecordingError
from volition.streams.files.npz import only_archive, read_arrays
from volition.streams.files.recording import TRIAL_START, Recording, trial_target
from volition.streams.signal.channel_selection import plan_in_microvolts

RATE_HZ = 250.0
#: Signal before the flicker in each trial.
BEFORE_S = 0.5

#: The 64 channels in the files' order.
_LABELS = (
    "Fp1 Fpz Fp2 AF3 AF4 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 "
    "T7 C5 C3 C1 Cz C2 C4 C6 T8 M1 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 Pz P2 "
    "P4 P6 P8 PO7 PO5 PO3 POz PO4 PO6 PO8 CB1 O1 Oz O2 CB2"
)
CHANNELS = tuple(_LABELS.split())


class Layout(NamedTuple):
    """Where trials lie in the arrays of a data set.

    Attributes
    ----------
    labels
        Labels of the channels.
    onsets
        Samples at which a flicker begins, or a stretch of it, in each trial.
    trial_s
        Length of the flicker; what lies before an onset lies behind it too where it is None.
    """

    rate_hz: float
    labels: tuple[str, ...]
    onsets: tuple[int, ...]
    trial_s: float | None = None


LAYOUT = Layout(RATE_HZ, CHANNELS, (round(BEFORE_S * RATE_HZ),))


def benchmark_freqs_hz() -> FloatArray:
    """Give the Benchmark's frequencies in the files' order: 8, 9, ... 15, 8.2, 9.2, ..."""
    number = np.arange(40)
    return np.round(8 + 0.2 * (5 * (number % 8) + number // 8), 1)


def beta_freqs_hz() -> FloatArray:
    """Give BETA's frequencies in the files' order: 8.6, 8.8, ... 15.8, 8.0, 8.2, 8.4."""
    return np.round(8 + 0.2 * ((np.arange(40) + 3) % 40), 1)


def load_benchmark_8(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read the one ``.npz`` file in ``root``; see `load_benchmark`."""
    path = only_archive(root, "benchmark_8")
    arrays = read_arrays(path, ("eeg", "scale_uV", "freq_hz"))
    trials = arrays["eeg"] * float(arrays["scale_uV"])
    freqs_hz = np.round(arrays["freq_hz"], 1)
    yield from blocks("S1", 1, trials[None], freqs_hz, LAYOUT, channels=channels, units=units)


def load_benchmark(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read the Benchmark, a recording for each person and block.

    Parameters
    ----------
    root
        Folder of ``S1.mat``, ``S2.mat``, ...
    channels, units
        As for `volition.streams.files.recording.read_recording`.

    Raises
    ------
    RecordingError
        There are no such files, or one is not of the data set's shape.
    """
    for path, person in mat_files(root, "benchmark"):
        data = mat_array(path, "data")
        check_shape(path, data, (64, None, 40, None))
        of_blocks, freqs_hz = data.transpose(3, 2, 0, 1), benchmark_freqs_hz()
        yield from blocks(
            path.stem, person, of_blocks, freqs_hz, LAYOUT, channels=channels, units=units
        )


def load_beta(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read BETA, a recording for each person and block; see `load_benchmark`."""
    for path, person in mat_files(root, "beta"):
        data = mat_array(path, "data")
        if data.dtype.names and "EEG" in data.dtype.names:
            data = data["EEG"].item()
        check_shape(path, data, (64, None, None, 40))
        of_blocks, freqs_hz = data.transpose(2, 3, 0, 1), beta_freqs_hz()
        yield from blocks(
            path.stem, person, of_blocks, freqs_hz, LAYOUT, channels=channels, units=units
        )


def mat_files(root: Path, name: str) -> list[tuple[Path, int]]:
    """Give the files ``S1.mat``, ``S2.mat``, ... with the person's number; S may be small."""
    paths = [path for path in root.glob("[sS]*.mat") if path.stem[1:].isdecimal()]
    if not paths:
        raise RecordingError(
            f"{name} is a folder of S1.mat, S2.mat, ...; found none in {root}", root=str(root)
        )
    return sorted(((path, int(path.stem[1:])) for path in paths), key=lambda entry: entry[1])


def mat_array(path: Path, name: str) -> Any:
    """Give an array of a file."""
    try:
        return loadmat(path, variable_names=[name])[name]
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError, MatReadError) as error:
        raise RecordingError(f"{path} cannot be read: {error}", path=str(path)) from None


def check_shape(path: Path, data: Any, wanted: tuple[int | None, ...]) -> None:
    """Raise `RecordingError` for an array of another shape; ``None``: any length."""
    found = data.shape
    if len(found) != len(wanted) or not all(
        length in (None, other) for length, other in zip(wanted, found, strict=True)
    ):
        text = ", ".join("any" if length is None else str(length) for length in wanted)
        raise RecordingError(
            f"{path} should hold an array of shape ({text}); found {found}", path=str(path)
        )


def blocks(
    who: str,
    person: int,
    trials: FloatArray,
    freqs_hz: FloatArray,
    layout: Layout,
    *,
    channels: Sequence[str] | None,
    units: str | None,
) -> Iterator[TrialRecording]:
    """Make a recording of each block: (n_blocks, n_trials, n_channels, n_samples), microvolts."""
    for number, of_block in enumerate(trials, start=1):
        yield block(
            f"{who}_block{number}",
            person,
            of_block,
            freqs_hz,
            layout,
            channels=channels,
            units=units,
        )


def block(
    name: str,
    person: int,
    trials: FloatArray,
    freqs_hz: FloatArray,
    layout: Layout,
    *,
    channels: Sequence[str] | None,
    units: str | None,
) -> TrialRecording:
    """Make a recording of trials, shape (n_trials, n_channels, n_samples)."""
    _, n_channels, n_samples = trials.shape
    rate_hz = layout.rate_hz
    plan = plan_in_microvolts(layout.labels, rate_hz, channels, units)
    centred = trials - trials.mean(axis=2, keepdims=True)
    samples = np.ascontiguousarray(centred.transpose(0, 2, 1).reshape(-1, n_channels), np.float64)
    onsets, asked_hz = [], []
    for number, freq_hz in enumerate(freqs_hz.tolist()):
        for start in layout.onsets:
            onsets.append((n_samples * number + start) / rate_hz)
            asked_hz.append(freq_hz)
    events = tuple(
        Event(onset, TRIAL_START, trial_target(freq_hz))
        for onset, freq_hz in zip(onsets, asked_hz, strict=True)
    )
    recording = Recording(
        plan.spec, plan.apply(samples), np.arange(len(samples)) / rate_hz, events, {"file": name}
    )
    flicker = tuple(Trial(onset, freq) for onset, freq in zip(onsets, asked_hz, strict=True))
    trial_s = layout.trial_s or n_samples / rate_hz - 2 * layout.onsets[0] / rate_hz
    return TrialRecording(name, person, recording, flicker, trial_s)


BENCHMARK = TrialDataset(
    name="benchmark",
    summary="a speller of forty targets: 35 people, 6 blocks, 64 channels, 250 Hz",
    load=load_benchmark,
    calibrate_on=CalibrateOn.OTHER_BLOCKS,
)
BENCHMARK_8 = TrialDataset(
    name="benchmark_8",
    summary="the first eight trials of the first person of benchmark",
    load=load_benchmark_8,
    calibrate_on=CalibrateOn.NOTHING,
)
BETA = TrialDataset(
    name="beta",
    summary="a speller of forty targets outside the laboratory: 70 people, 4 blocks, 64 channels",
    load=load_beta,
    calibrate_on=CalibrateOn.OTHER_BLOCKS,
)
