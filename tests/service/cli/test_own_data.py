"""One's own recordings, in the formats of recorders: evaluated, trained on, imported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from tests.e2e.documents import Document, Shell
from volition.chunk import Event
from volition.errors import ConfigError, ModelError, RecordingError
from volition.service.calibration.training import train
from volition.service.cli import app
from volition.service.sessions.config import parse_config
from volition.service.sessions.named_models import model_registry
from volition.streams.files.recording import Recording, read_recording
from volition.streams.files.trial_mapping import TrialMapping, trials_in
from volition.streams.files.xdf_writer import XdfWriter
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

FREQS_HZ = {"left": 9.0, "right": 12.0}
PERSON = SsvepParticipant(
    seed=3, targets=tuple(Flicker(freq_hz) for freq_hz in FREQS_HZ.values()), response_uv=8.0
)
#: What the other program wrote for each target.
CODES = {"left": "1", "right": "2"}
MAPPING = {"trial_s": 1.5, "targets": {1: "left", 2: "right"}}


def session(kind: str = "ecca", **decoder: Any) -> dict[str, Any]:
    targets = [{"label": label, "freq_hz": freq_hz} for label, freq_hz in FREQS_HZ.items()]
    body = {"kind": kind, "targets": targets, "window_s": 1.0, "delay_s": 0.2, **decoder}
    return {"stream": {"type": "EEG"}, "decoder": body}


def recorded(order: list[int], seed: int) -> Recording:
    """A sitting, with the codes of the program that showed the flickers and nothing else."""
    one = PERSON.record(order, trial_s=1.5, pause_s=0.5)
    labels = list(FREQS_HZ)
    events = tuple(
        Event(event.time, CODES[labels[target]])
        for event, target in zip(one.events, order, strict=True)
    )
    noise = np.random.default_rng(seed).standard_normal(one.samples.shape)
    return Recording(one.spec, one.samples + noise, one.times, (Event(0.0, "begin"), *events))


def as_xdf(path: Path, one: Recording) -> None:
    with XdfWriter(path) as writer:
        signal = writer.add_signal(one.spec, name="eeg", source_id="eeg")
        markers = writer.add_markers(name="codes", source_id="codes")
        writer.write_samples(signal, one.samples, one.times)
        writer.write_texts(
            markers, [event.name for event in one.events], [event.time for event in one.events]
        )


def as_brainvision(path: Path, one: Recording) -> None:
    stem = path.stem
    one.samples.astype("<f4").tofile(path.with_suffix(".eeg"))
    channels = "\n".join(f"Ch{n + 1}={label},,1,µV" for n, label in enumerate(one.spec.labels))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n; a comment\n\n[Common Infos]\n"
        f"DataFile={stem}.eeg\nMarkerFile={stem}.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={one.spec.n_channels}\n"
        f"SamplingInterval={1e6 / one.spec.rate_hz}\n\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n\n[Channel Infos]\n{channels}\n\n[Comment]\nfree = [text\n",
        encoding="utf-8",
    )
    marks = [
        f"Mk{n}=Stimulus,{event.name},{round(event.time * one.spec.rate_hz) + 1},1,0"
        for n, event in enumerate(one.events, start=1)
    ]
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n" + "\n".join(marks)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    as_xdf(made / "a.xdf", recorded([0, 1] * 5, 1))
    as_brainvision(made / "b.vhdr", recorded([1, 0] * 5, 2))
    return made


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path / "data"))
    (tmp_path / "session.yaml").write_text(yaml.safe_dump(session()))
    (tmp_path / "trials.yaml").write_text(yaml.safe_dump(MAPPING))
    return ["--session", str(tmp_path / "session.yaml"), "--trials", str(tmp_path / "trials.yaml")]


def told(*arguments: str) -> Any:
    result = CliRunner().invoke(app(), [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_folder_of_recordings_is_cross_validated_by_recording(
    folder: Path, files: list[str]
) -> None:
    answer = told("evaluate", str(folder), *files)
    assert answer["dataset"] == "mine"
    assert set(answer["per_recording"]) == {"a", "b"}
    assert answer["n_trials"] == 20
    assert answer["mean_accuracy"] >= 0.9
    assert "left out in turn" in answer["protocol"]


def test_training_on_recordings_gives_a_model_of_the_registry_that_a_session_names(
    folder: Path, files: list[str]
) -> None:
    made = told("train", str(folder), *files, "--name", "me")
    assert made["reference"] == f"me@{made['version']}"
    assert made["scores"]["accuracy"] >= 0.9
    assert made["training"]["n_trials"] == 20
    assert [one.reference for one in model_registry().versions("me")] == [made["reference"]]


def test_training_from_python_is_one_call(folder: Path, files: list[str]) -> None:
    mapping = TrialMapping.model_validate({"targets": {"1": "left", "2": "right"}})
    recordings = [trials_in(read_recording(path), mapping) for path in (folder / "a.xdf",)]
    made = train(parse_config(session()), recordings, "me", note="from a test")
    assert made.kind == "ecca"
    assert made.note == "from a test"


@pytest.mark.slow
def test_the_page_of_ones_own_data_is_followed_to_the_letter(
    repository: Path, folder: Path, files: list[str], tmp_path: Path
) -> None:
    page = Document(repository / "docs" / "own-data.md")
    evaluate, train_line, import_line, list_line = page.lines()
    mapping, _ = page.blocks("yaml")
    (program,) = page.blocks("python")
    shell = Shell(tmp_path, {"my-recordings": folder.name, "trial_s: 4 ": "trial_s: 1.5 "})
    (tmp_path / "trials.yaml").write_text(shell.written(mapping), encoding="utf-8")
    (tmp_path / "program.py").write_text(shell.written(program), encoding="utf-8")

    answer = json.loads(shell.run(f"{evaluate} --json"))
    assert set(answer["per_recording"]) == {"a", "b"}
    assert re.search(r"^me@\w+$", shell.run(train_line), re.MULTILINE)
    reference, accuracy = shell.run("python program.py").split()
    assert reference in [one.reference for one in model_registry().versions("me")]
    assert float(accuracy) >= 0.9
    shell.run(import_line)
    listed = json.loads(shell.run(f"{list_line} --json"))["recordings"]
    assert {one["id"] for one in listed} == {"a", "b"}


def test_an_imported_recording_has_its_trials_as_markers(folder: Path, files: list[str]) -> None:
    made = told("recordings", "import", str(folder / "b.vhdr"), *files[2:])
    assert made == {"recordings": ["b"]}
    (listed,) = told("recordings", "list")["recordings"]
    assert listed["id"] == "b"
    data = files[1].replace("session.yaml", "data")
    found = read_recording(Path(data) / "recordings" / "b.xdf")
    assert [event.data["target"] for event in found.trials()] == ["right", "left"] * 5
    with pytest.raises(RecordingError, match="already"):
        told("recordings", "import", str(folder / "b.vhdr"), *files[2:])


def test_markers_that_begin_no_trial_are_named(folder: Path) -> None:
    mapping = TrialMapping.model_validate({"targets": {"S 9": "left"}})
    with pytest.raises(RecordingError, match=r"looked for S 9; found: .*1 \(5\)"):
        mapping.apply(read_recording(folder / "a.xdf"))
    with pytest.raises(RecordingError, match="--trials"):
        trials_in(read_recording(folder / "a.xdf"), None)


def test_a_wrong_mapping_and_a_wrong_folder_are_sentences(
    tmp_path: Path, folder: Path, files: list[str]
) -> None:
    (tmp_path / "trials.yaml").write_text("target: {1: left}")
    with pytest.raises(ConfigError, match="targets"):
        told("evaluate", str(folder), *files)
    with pytest.raises(ConfigError, match="--root"):
        told("evaluate", "nothing-of-the-kind", *files)


def test_a_fif_file_says_what_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x_raw.fif"
    for content in (b"", b"x", b"x" * 1000):
        file.write_bytes(content)
        with pytest.raises(RecordingError, match=r"mne|cannot be read"):
            read_recording(file)


@pytest.mark.filterwarnings("ignore")  # what mne says of itself
@pytest.mark.parametrize("marked_by", ["annotations", "trigger channel"])
def test_a_fif_file_that_was_cut_is_read_in_microvolts_with_its_markers(
    tmp_path: Path, marked_by: str
) -> None:
    mne: Any = pytest.importorskip("mne", reason="needs the extra bench: mne comes with it")
    eeg_uv = np.random.default_rng(1).normal(0, 10, (2, 1000))
    trigger = np.zeros((1, 1000))
    if marked_by == "trigger channel":
        trigger[0, 500:505] = 2
    info = mne.create_info(["Oz", "O1", "STI 014"], 250.0, ["eeg", "eeg", "stim"])
    raw = mne.io.RawArray(np.vstack([eeg_uv * 1e-6, trigger]), info, verbose="error")
    if marked_by == "annotations":
        raw.set_annotations(mne.Annotations([2.0], [0.0], ["2"]))
    file = tmp_path / "cut_raw.fif"
    raw.crop(tmin=1.0).save(file, verbose="error")

    found = read_recording(file)

    assert found.spec.labels == ("Oz", "O1")
    assert found.spec.rate_hz == 250.0
    np.testing.assert_allclose(found.samples, eeg_uv[:, 250:].T, rtol=1e-5, atol=1e-4)
    (marker,) = found.events
    assert marker.name == "2"
    assert marker.time - found.times[0] == pytest.approx(1.0, abs=1e-6)


def test_a_models_file_is_added_with_the_settings_of_its_session(
    tmp_path: Path, folder: Path, files: list[str]
) -> None:
    made = train(parse_config(session()), [trained_on(folder)], "me")
    file = tmp_path / "mine.npz"
    file.write_bytes(model_registry().content(made))
    card = {"kind": "ecca", "input": made.input.model_dump(mode="json")}
    (tmp_path / "card.json").write_text(json.dumps(card))
    arguments = ["models", "add", str(file), "--name", "other", "--card", f"{tmp_path}/card.json"]
    with pytest.raises(ModelError, match="--session"):
        told(*arguments)
    assert made.decoder is not None
    fitted_for = session(window_s=made.decoder["window_s"])
    (tmp_path / "session.yaml").write_text(yaml.safe_dump(fitted_for))
    added = told(*arguments, *files[:2])
    assert (added["name"], added["decoder"]["window_s"]) == ("other", made.decoder["window_s"])


def trained_on(folder: Path) -> Recording:
    mapping = TrialMapping.model_validate({"targets": {"1": "left", "2": "right"}})
    return trials_in(read_recording(folder / "a.xdf"), mapping)
