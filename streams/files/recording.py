"""Recordings: a signal with its events, from a file into memory, and on as chunks.

What a recording gives is what the inlet gives: float64 microvolts, LSL times, one plan of channels
and units for both (`volition.streams.signal.channel_selection`). So a recording that is cut into
chunks of any size stands for the live stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.errors import ConfigError, RecordingError, StreamError
from volition.streams.files.brainvision import BrainVisionContents, read_brainvision
from volition.streams.files.choice import StreamKeys, choose_markers, choose_signal
from volition.streams.files.edf import EdfContents, read_edf
from volition.streams.files.fif import read_fif
from volition.streams.files.npz import read_arrays
from volition.streams.files.xdf_reader import XdfStream, read_xdf
from volition.streams.signal import channel_selection
from volition.streams.signal.markers import MarkerReader, choose_channel

TRIAL_START = "trial_start"
"""Name of the event at which a trial begins."""

REST = "rest"
"""Target of a trial in which no target was attended."""

_TRIAL_ARRAYS = ("eeg", "scale_uV", "fs", "ch_names", "onset", "freq_hz")
_TRIAL_FACTS = ("source", "trial_s", "excluded_by_authors")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A signal and its events.

    Attributes
    ----------
    spec : SignalSpec
    samples : ndarray of float64, shape (n_samples, n_channels)
        Microvolts; NaN where a sample is missing.
    times : ndarray of float64, shape (n_samples,)
        LSL times of the recording computer, seconds.
    events : tuple of Event
        In order of time.
    metadata : dict
        What the file says besides: names of its streams, subject, licence, ...
    warnings : tuple of str
        What had to be assumed, and what of the file could not be read.
    """

    spec: SignalSpec
    samples: FloatArray
    times: FloatArray
    events: tuple[Event, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration_s(self) -> float:
        """From the first sample's time to the end of the last one's interval."""
        if not len(self):
            return 0.0
        interval_s = 1.0 / self.spec.rate_hz if self.spec.rate_hz else 0.0
        return float(self.times[-1] - self.times[0]) + interval_s

    def chunks(self, n_samples: int) -> Iterator[tuple[Chunk, list[Event]]]:
        """Cut the recording into chunks, each with the events that have come by its end.

        An event comes with the first chunk whose newest time is at or after its own; events after
        the last sample come with the last chunk. The chunks hold copies.

        Parameters
        ----------
        n_samples
            Samples in each chunk but the last.
        """
        if n_samples < 1:
            raise ValueError(f"a chunk has at least one sample, not {n_samples}")
        samples, times, n_all = self.samples, self.times, len(self)
        events, given = self.events, 0
        for start in range(0, n_all, n_samples):
            stop = start + n_samples
            first = given
            while given < len(events) and (stop >= n_all or events[given].time <= times[stop - 1]):
                given += 1
            yield (
                Chunk(samples[start:stop].copy(), times[start:stop].copy()),
                [*events[first:given]],
            )

    def between(self, start_s: float, stop_s: float) -> Recording:
        """Cut out the samples and events with ``start_s <= time < stop_s``."""
        inside = (self.times >= start_s) & (self.times < stop_s)
        return replace(
            self,
            samples=self.samples[inside],
            times=self.times[inside],
            events=tuple(event for event in self.events if start_s <= event.time < stop_s),
        )

    def trials(self, *, skip_rest: bool = False) -> list[Event]:
        """Give the events at which trials begin, without those at rest if wanted."""
        return [
            event
            for event in self.events
            if event.name == TRIAL_START and not (skip_rest and event.data.get("target") == REST)
        ]


def read_recording(
    path: Path | str,
    *,
    channels: Sequence[str] | None = None,
    trigger_channel: str | None = None,
    units: str | None = None,
    stream: str | StreamKeys | None = None,
    markers: str | StreamKeys | None = None,
    rate_hz: float | None = None,
) -> Recording:
    """Read a recording: XDF, EDF, EDF+, BDF, BrainVision, FIF, or an ``.npz`` file of trials.

    Parameters
    ----------
    path
        The file; its suffix says what it is.
    channels
        Labels to use, in this order; all when None.
    trigger_channel
        Label of a channel that holds codes of triggers. In an XDF file it becomes the last channel
        of the signal, as in an inlet, and whoever cleans the signal reads it; of an EDF or BDF file
        the codes are events at once.
    units
        Unit of the samples, whatever the file says.
    stream
        Which signal of an XDF file that holds several: name, source id, number, or a session's
        keys.
    markers
        Which stream of markers of an XDF file; all that call themselves so when None.
    rate_hz
        The rate, whatever the file says; of an XDF file.

    Raises
    ------
    RecordingError
        The file cannot be read, or it does not say which of several signals is meant.
    ConfigError
        It has no such channel, or the units are no voltage.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".xdf":
        return _from_xdf(
            path,
            channels,
            units,
            trigger_channel=trigger_channel,
            signal_keys=stream,
            marker_keys=markers,
            rate_hz=rate_hz,
        )
    reader = _READERS.get(suffix)
    if reader is None:
        raise RecordingError(
            f"{path.name} is no recording that can be read; allowed: .xdf, {', '.join(_READERS)}",
            path=str(path),
        )
    if isinstance(stream, str) or isinstance(markers, str):
        raise ConfigError(f"a {suffix} file holds one signal; 'stream' is for XDF files")
    if reader is _from_edf:
        return _from_edf(path, channels, units, trigger_channel)
    return reader(path, channels, units)


def packaged_recordings() -> dict[str, Path]:
    """Give the recordings that come with Volition, by name."""
    return {path.stem: path for path in sorted(packaged_folder().glob("*.xdf"))}


def packaged_folder() -> Path:
    """Give the folder of the recordings that come with Volition."""
    return Path(str(resources.files("volition.streams") / "recordings"))


# --- XDF -------------------------------------------------------------------------------------


def _from_xdf(
    path: Path,
    channels: Sequence[str] | None,
    units: str | None,
    *,
    trigger_channel: str | None,
    signal_keys: str | StreamKeys | None,
    marker_keys: str | StreamKeys | None,
    rate_hz: float | None,
) -> Recording:
    contents = read_xdf(path)
    streams = contents.streams
    signal, said = choose_signal(streams, signal_keys, path.name)
    marker_streams, said_of_markers = choose_markers(streams, signal, marker_keys, path.name)
    plan = channel_selection.plan(
        n_channels=signal.n_channels,
        rate_hz=signal.rate_hz if rate_hz is None else rate_hz,
        labels=signal.labels,
        units=signal.units,
        kinds=signal.kinds,
        channels=channels,
        override_units=units,
        trigger_channel=trigger_channel,
    )
    samples = np.ascontiguousarray(signal.samples, dtype=np.float64)
    channel = marker_keys.channel if isinstance(marker_keys, StreamKeys) else None
    events = sorted(
        (event for one in marker_streams for event in _events_of(one, channel)),
        key=lambda one: one.time,
    )
    others = [one for one in streams if one is not signal and one not in marker_streams]
    if others and signal_keys is not None:
        said_of_markers.append("not used: " + ", ".join(one.summary() for one in others))
    return Recording(
        plan.spec,
        plan.apply(samples),
        signal.times,
        tuple(events),
        {
            "file": path.name,
            "stream": signal.name,
            "type": signal.type,
            "source_id": signal.source_id,
            "description": signal.description,
            "header": contents.header,
            "texts": {
                one.name: list(
                    zip(one.times.tolist(), (row[0] for row in one.samples), strict=True)
                )
                for one in others
                if one.format == "string" and one.n_channels == 1
            },
            "marker_streams": [one.name for one in marker_streams],
            "other_streams": [one.summary() for one in others],
        },
        (*plan.warnings, *contents.warnings, *said, *said_of_markers),
    )


def _events_of(stream: XdfStream, channel: str | int | None) -> Iterator[Event]:
    """Read a marker stream by the code that reads one live."""
    try:
        reader = MarkerReader(choose_channel(channel, stream.n_channels, stream.labels))
    except StreamError as error:
        raise RecordingError(f"{stream.summary()}: {error.message}") from None
    for time, sample in zip(stream.times.tolist(), stream.samples, strict=True):
        event = reader.read(time, sample)
        if event is not None:
            yield event


# --- EDF -------------------------------------------------------------------------------------


def _from_edf(
    path: Path,
    channels: Sequence[str] | None,
    units: str | None,
    trigger_channel: str | None = None,
) -> Recording:
    contents = read_edf(path, channels, trigger_channel)
    return _from_contents(
        path, channels, units, contents, kinds=contents.kinds, warnings=contents.warnings
    )


# --- BrainVision and FIF ---------------------------------------------------------------------


def _from_contents(
    path: Path,
    channels: Sequence[str] | None,
    units: str | None,
    contents: EdfContents | BrainVisionContents,
    *,
    kinds: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Recording:
    """Make a recording of a file that holds one signal from its first sample on."""
    plan = channel_selection.plan(
        n_channels=len(contents.labels),
        rate_hz=contents.rate_hz,
        labels=contents.labels,
        units=contents.units,
        kinds=kinds,
        channels=channels,
        override_units=units,
    )
    return Recording(
        plan.spec,
        plan.apply(contents.samples),
        np.arange(len(contents.samples)) / contents.rate_hz,
        contents.events,
        {"file": path.name},
        (*plan.warnings, *warnings),
    )


def _from_brainvision(path: Path, channels: Sequence[str] | None, units: str | None) -> Recording:
    return _from_contents(path, channels, units, read_brainvision(path))


def _from_fif(path: Path, channels: Sequence[str] | None, units: str | None) -> Recording:
    return _from_contents(path, channels, units, read_fif(path))


# --- NPZ -------------------------------------------------------------------------------------


def _from_npz(path: Path, channels: Sequence[str] | None, units: str | None) -> Recording:
    arrays = read_arrays(path, _TRIAL_ARRAYS, optional=_TRIAL_FACTS)
    labels = [str(label) for label in arrays["ch_names"]]
    eeg, onsets, targets_hz = arrays["eeg"], arrays["onset"], arrays["freq_hz"]
    if eeg.ndim != 2 or eeg.shape[0] != len(labels) or onsets.shape != targets_hz.shape:
        raise RecordingError(
            f"{path.name}: eeg of shape {eeg.shape} does not fit {len(labels)} channels, or "
            f"{onsets.shape} onsets do not fit {targets_hz.shape} targets",
            path=str(path),
        )
    rate_hz = float(arrays["fs"])
    plan = channel_selection.plan(
        n_channels=len(labels),
        rate_hz=rate_hz,
        labels=labels,
        units=(channel_selection.MICROVOLTS,) * len(labels),
        channels=channels,
        override_units=units,
    )
    samples = np.ascontiguousarray(eeg.T * float(arrays["scale_uV"]), dtype=np.float64)
    return Recording(
        plan.spec,
        plan.apply(samples),
        np.arange(eeg.shape[1]) / rate_hz,
        tuple(
            Event(float(onset) / rate_hz, TRIAL_START, trial_target(float(target_hz)))
            for onset, target_hz in zip(onsets, targets_hz, strict=True)
        ),
        {
            "file": path.name,
            **{name: arrays[name].item() for name in _TRIAL_FACTS if name in arrays},
        },
        plan.warnings,
    )


def trial_target(freq_hz: float) -> dict[str, Any]:
    """Give the data of a trial's event: its target and flicker frequency, 0 Hz at rest."""
    whole = int(freq_hz) if freq_hz == int(freq_hz) else freq_hz
    return {"target": f"{whole} Hz" if whole else REST, "freq_hz": whole}


_READERS = {
    ".edf": _from_edf,
    ".bdf": _from_edf,
    ".vhdr": _from_brainvision,
    ".fif": _from_fif,
    ".npz": _from_npz,
}
"""What reads a file, beside XDF, by its suffix."""


def recordings_in(path: Path) -> list[Path]:
    """Give the recordings of a folder, by name, or the one file that is named.

    Raises
    ------
    RecordingError
        There are none.
    """
    if path.is_file():
        return [path]
    found = sorted(one for one in path.glob("*") if one.suffix.lower() in (".xdf", *_READERS))
    if not found:
        raise RecordingError(
            f"{path} holds no recording; allowed: .xdf, {', '.join(_READERS)}", path=str(path)
        )
    return found
