"""A recording becomes a BIDS run that reads back as it was, with its events at their samples."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.chunk import Event, SignalSpec
from volition.errors import ConfigError, RecordingError
from volition.streams.files.bids import BidsRun, write_bids
from volition.streams.files.recording import (
    Recording,
    packaged_recordings,
    read_recording,
)

RUN = BidsRun("P01", "ssvep", power_line_hz=50.0, reference="Cz")


def recording(
    n_samples: int = 500, *, rate_hz: float = 250.0, times: Any = None, events: Any = ()
) -> Recording:
    spec = SignalSpec(
        rate_hz,
        ("Oz", "EOG, left", "x"),
        ("microvolts", "microvolts", "counts"),
        ("EEG", "EOG", "AUX"),
    )
    rng = np.random.default_rng(0)
    at = 1000.0 + np.arange(n_samples) / rate_hz if times is None else times
    samples = rng.normal(0, 20, (len(at), 3)).astype(np.float32).astype(np.float64)
    return Recording(spec, samples, at, tuple(events))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def beside(header: Path, ending: str) -> Path:
    return header.with_name(header.name.replace("_eeg.vhdr", ending))


def test_the_samples_read_back_as_they_were(tmp_path: Path) -> None:
    given_ = recording()
    header = write_bids(tmp_path, given_, RUN)
    read = read_recording(header)
    np.testing.assert_array_equal(read.samples[:, :2], given_.samples[:, :2])
    assert read.spec.labels[:2] == ("Oz", "EOG, left")
    assert read.spec.rate_hz == 250.0


def test_files_have_the_names_and_contents_that_bids_asks_for(tmp_path: Path) -> None:
    header = write_bids(tmp_path, recording(), BidsRun("P01", "ssvep", "02", 50.0, "Cz"))
    assert header == tmp_path / "sub-P01/ses-02/eeg/sub-P01_ses-02_task-ssvep_run-01_eeg.vhdr"
    about = json.loads(header.with_suffix(".json").read_text("utf-8"))
    assert about == {
        "TaskName": "ssvep",
        "EEGReference": "Cz",
        "SamplingFrequency": 250.0,
        "PowerLineFrequency": 50.0,
        "SoftwareFilters": "n/a",
        "RecordingDuration": 2.0,
        "RecordingType": "continuous",
        "EEGChannelCount": 1,
        "EOGChannelCount": 1,
        "ECGChannelCount": 0,
        "EMGChannelCount": 0,
        "MiscChannelCount": 1,
        "TriggerChannelCount": 0,
    }
    channels = table(beside(header, "_channels.tsv"))
    assert [(one["name"], one["type"], one["units"]) for one in channels] == [
        ("Oz", "EEG", "uV"),
        ("EOG, left", "EOG", "uV"),
        ("x", "MISC", "counts"),
    ]
    described = json.loads((tmp_path / "dataset_description.json").read_text("utf-8"))
    assert (described["BIDSVersion"], described["DatasetType"]) == ("1.10.0", "raw")
    assert (tmp_path / "README").stat().st_size > 100


def test_events_and_decisions_stand_at_their_samples(tmp_path: Path) -> None:
    events = [Event(1000.4, "trial_start", {"target": "13 Hz"}), Event(1001.0, "stop")]
    decided = [Event(1000.8, "intent/selection/13 Hz", {"seq": 4})]
    header = write_bids(tmp_path, recording(events=events), RUN, decided)
    rows = table(beside(header, "_events.tsv"))
    assert [(row["trial_type"], float(row["onset"]), row["sample"]) for row in rows] == [
        ("trial_start", 0.4, "100"),
        ("intent/selection/13 Hz", 0.8, "200"),
        ("stop", 1.0, "250"),
    ]
    assert json.loads(rows[0]["value"]) == {"target": "13 Hz"}
    names = {event.name: event.time for event in read_recording(header).events}
    assert names["trial_start"] == pytest.approx(0.4)


def test_samples_that_are_missing_leave_their_place_and_are_told(tmp_path: Path) -> None:
    at = 1000.0 + np.concatenate([np.arange(100), np.arange(150, 250)]) / 250.0
    header = write_bids(tmp_path, recording(times=at, events=[Event(1000.8, "behind")]), RUN)
    read = read_recording(header)
    assert len(read) == 250
    assert np.isnan(read.samples[100:150]).all()
    assert np.isfinite(read.samples[:100]).all()
    gap, behind = table(beside(header, "_events.tsv"))
    assert (gap["trial_type"], float(gap["onset"]), float(gap["duration"])) == ("gap", 0.4, 0.2)
    assert behind["sample"] == "200"
    about = json.loads(header.with_suffix(".json").read_text("utf-8"))
    assert about["RecordingType"] == "discontinuous"


def test_a_clock_that_drifts_moves_no_event_off_its_sample(tmp_path: Path) -> None:
    at = 1000.0 + np.arange(50_000) / 250.05
    event = Event(float(at[40_000]), "late")
    header = write_bids(tmp_path, recording(times=at, events=[event]), RUN)
    (row,) = table(beside(header, "_events.tsv"))
    assert row["sample"] == "40000"
    assert float(row["onset"]) == 160.0


def test_runs_are_numbered_and_participants_listed_once(tmp_path: Path) -> None:
    others = tmp_path / "participants.tsv"
    others.write_text("participant_id\tage\nsub-A\t34\n", "utf-8")
    names = [write_bids(tmp_path, recording(10), RUN).name for _ in range(2)]
    assert [name[-16:] for name in names] == ["_run-01_eeg.vhdr", "_run-02_eeg.vhdr"]
    assert table(others) == [
        {"participant_id": "sub-A", "age": "34"},
        {"participant_id": "sub-P01", "age": "n/a"},
    ]


@given(text=st.text(max_size=40))
def test_no_marker_breaks_the_table_or_the_markers_file(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("bids")
    event = Event(1000.02, text, {"said": text})
    header = write_bids(root, recording(10, events=[event]), RUN)
    (row,) = table(beside(header, "_events.tsv"))
    assert row["sample"] == "5"
    assert len(read_recording(header).events) >= 1


def named(field: str, name: str) -> BidsRun:
    given: dict[str, Any] = {"participant": "P1", "task": "t", "sitting": "1", field: name}
    return BidsRun(**given)


@pytest.mark.parametrize("name", ["", "a b", "sub-01", "Jürgen", "../x"])
def test_names_are_letters_and_digits_alone(name: str) -> None:
    for field in ("participant", "task", "sitting"):
        with pytest.raises(ConfigError, match=f"{field} in BIDS is letters and digits"):
            named(field, name)


def test_what_has_no_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="at least one sample"):
        write_bids(tmp_path, recording(0), RUN)


def test_a_packaged_recording_comes_out_whole(tmp_path: Path) -> None:
    whole = read_recording(packaged_recordings()["ssvep-exo-s12"])
    read = read_recording(write_bids(tmp_path, whole, RUN))
    np.testing.assert_allclose(read.samples, whole.samples, rtol=1e-6, atol=1e-3)
    starts = [one for one in whole.events if one.name == "trial_start"]
    assert len([one for one in read.events if one.name == "trial_start"]) == len(starts)
