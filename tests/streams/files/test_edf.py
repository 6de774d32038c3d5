from __future__ import annotations

import warnings
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volition.errors import ConfigError, RecordingError
from volition.streams.files.recording import read_recording

SECONDS, RATE_HZ = 4, 128
RANDOM = np.random.default_rng(2)
SAMPLES = RANDOM.normal(0, 20, (3, SECONDS * RATE_HZ))


def signal(label: str, data: np.ndarray, rate_hz: float = RATE_HZ) -> edfio.EdfSignal:
    return edfio.EdfSignal(data, rate_hz, label=label, physical_dimension="uV")


def write_edf(path: Path) -> bytes:
    """Two EEG channels, one EOG channel, a slow channel, two annotations."""
    edfio.Edf(
        [
            signal("EEG Fp1", SAMPLES[0]),
            signal("Oz..", SAMPLES[1]),
            signal("EOG left", SAMPLES[2]),
            signal("Temp", np.arange(4.0), 1.0),
        ],
        annotations=[edfio.EdfAnnotation(1.5, None, "go"), edfio.EdfAnnotation(0.25, 1, "rest")],
    ).write(path)
    return path.read_bytes()


def test_an_edf_file_is_a_recording_in_microvolts(tmp_path: Path) -> None:
    path = tmp_path / "a.EDF"
    write_edf(path)
    recording = read_recording(path)
    assert recording.spec.labels == ("Fp1", "Oz", "left")
    assert recording.spec.kinds == ("EEG", "EEG", "EOG")
    assert recording.spec.rate_hz == RATE_HZ
    # 16 bits over the range of each channel.
    assert np.abs(recording.samples - SAMPLES.T).max() < np.ptp(SAMPLES) / 2**16
    assert recording.times.tolist() == [n / RATE_HZ for n in range(SECONDS * RATE_HZ)]
    assert [(event.time, event.name) for event in recording.events] == [(0.25, "rest"), (1.5, "go")]
    assert any("Temp" in warning and "rate" in warning for warning in recording.warnings)


def test_channels_of_an_edf_file_are_chosen_by_label(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    write_edf(path)
    assert read_recording(path, channels=["Oz", "Fp1"]).spec.labels == ("Oz", "Fp1")
    with pytest.raises(ConfigError, match="Cz"):
        read_recording(path, channels=["Cz"])
    with pytest.raises(ConfigError, match="one signal"):
        read_recording(path, stream="x")


def test_a_bdf_file_gives_its_trigger_codes_as_events(tmp_path: Path) -> None:
    path = tmp_path / "a.bdf"
    codes = np.zeros(SECONDS * RATE_HZ, dtype=np.int32)
    codes[100:110], codes[200:] = 5, 0x10007  # beyond 16 bits are the device's own
    status = edfio.BdfSignal.from_digital(codes, RATE_HZ, label="Status")
    eeg = edfio.BdfSignal(SAMPLES[0], RATE_HZ, label="A1", physical_dimension="uV")
    edfio.Bdf([eeg, status]).write(path)
    recording = read_recording(path)
    assert recording.spec.labels == ("A1",)
    assert np.abs(recording.samples[:, 0] - SAMPLES[0]).max() < 1e-3
    assert [(event.time * RATE_HZ, event.name) for event in recording.events] == [
        (100, "5"),
        (200, "7"),
    ]


def test_a_file_that_was_cut_off_gives_what_is_whole_and_says_what_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.edf"
    data = write_edf(path)
    path.write_bytes(data[:-300])
    recording = read_recording(path)
    assert len(recording) == (SECONDS - 1) * RATE_HZ
    assert any("4 data records, but file contains 3" in said for said in recording.warnings)


@pytest.mark.parametrize("content", [b"", b"0", b"0" * 256, b"\xff" * 5000, b"0       " * 400])
@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_what_is_no_such_file_is_an_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(path)


def test_an_interrupted_recording_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    data = write_edf(path)
    assert data.count(b"+2\x14\x14") == 1
    path.write_bytes(data.replace(b"EDF+C", b"EDF+D", 1).replace(b"+2\x14\x14", b"+9\x14\x14"))
    with pytest.raises(RecordingError, match=r"EDF\+D"):
        read_recording(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1500), st.binary(min_size=1, max_size=12)), min_size=1))
def test_no_damage_makes_anything_worse_than_a_recording_error(
    tmp_path: Path, damage: list[tuple[int, bytes]]
) -> None:
    path = tmp_path / "a.edf"
    data = bytearray(path.read_bytes() if path.exists() else write_edf(path))
    whole = bytes(data)
    for place, found in damage:
        data[place : place + len(found)] = found
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            recording = read_recording(path)
        except (RecordingError, ConfigError):
            pass
        else:
            assert recording.samples.shape == (len(recording.times), recording.spec.n_channels)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "labels", "n_samples"),
    [("test.edf", 16, 15360), ("test.bdf", 16, 15360), ("S001R01.edf", 64, 9760)],
)
def test_files_of_other_programs_read_as_edfio_reads_them(
    shared_data: Path, name: str, labels: int, n_samples: int
) -> None:
    recording = read_recording(shared_data / "eeglab_formats" / name)
    assert recording.samples.shape == (n_samples, labels)
    assert 1 < np.median(np.std(recording.samples, axis=0)) < 1000


@pytest.mark.parametrize("label", ["Status", "TRIG", "STI 014", "Trigger", "DIN1"])
def test_a_16_bit_trigger_channel_gives_events_and_is_no_signal(tmp_path: Path, label: str) -> None:
    path = tmp_path / "a.edf"
    codes = np.zeros(SECONDS * RATE_HZ, dtype=np.int16)
    codes[50:60], codes[300:320] = 3, -1
    trigger = edfio.EdfSignal.from_digital(codes, RATE_HZ, label=label)
    edfio.Edf([signal("Cz", SAMPLES[0]), trigger]).write(path)
    recording = read_recording(path)
    assert recording.spec.labels == ("Cz",)
    assert [(event.time * RATE_HZ, event.name) for event in recording.events] == [
        (50, "3"),
        (300, "65535"),
    ]


def write_of_two_rates(path: Path) -> None:
    """One EEG channel beside three slow ones."""
    slow = [signal(label, np.arange(4.0), 1.0) for label in ("SpO2", "Pulse", "Body")]
    for one in slow:
        one.physical_dimension = "%"
    edfio.Edf([*slow, signal("EEG Cz", SAMPLES[0])]).write(path)


def test_of_several_rates_that_of_the_eeg_is_chosen(tmp_path: Path) -> None:
    write_of_two_rates(tmp_path / "a.edf")
    recording = read_recording(tmp_path / "a.edf")
    assert (recording.spec.labels, recording.spec.rate_hz) == (("Cz",), RATE_HZ)
    assert any("SpO2, Pulse, Body: left out" in warning for warning in recording.warnings)


def test_of_several_rates_that_of_the_channels_asked_for_is_chosen(tmp_path: Path) -> None:
    write_of_two_rates(tmp_path / "a.edf")
    recording = read_recording(tmp_path / "a.edf", channels=["Pulse"])
    assert (recording.spec.labels, recording.spec.rate_hz) == (("Pulse",), 1.0)


def test_a_channel_that_the_session_calls_its_trigger_channel_gives_events(tmp_path: Path) -> None:
    codes = np.zeros(SECONDS * RATE_HZ)
    codes[100:110], codes[150:160], codes[160:170] = 9, 9, 14
    edfio.Edf(
        [
            signal("Oz", SAMPLES[1]),
            edfio.EdfSignal(
                codes, RATE_HZ, label="Digi", physical_range=(0, 255), digital_range=(0, 255)
            ),
        ]
    ).write(tmp_path / "a.edf")
    recording = read_recording(tmp_path / "a.edf", trigger_channel="Digi")
    assert recording.spec.labels == ("Oz",)
    found = [(round(event.time * RATE_HZ), event.name) for event in recording.events]
    assert found == [(100, "9"), (150, "9"), (160, "14")]
