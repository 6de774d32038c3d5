"""README, followed to the letter by somebody with a headset of their own; and what follows it.

Every line of their shell blocks is run here, or `ELSEWHERE` names the test that runs it.
"""

from __future__ import annotations

import itertools
import json
import re
import select
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.documents import Document, Shell, needs, place_of
from tests.e2e.screen import Screen
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.messages import CalibrationMessage
from volition.streams.files.xdf_writer import XdfWriter
from volition.streams.lsl.clock import local_clock
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

#: Lines that other tests run.
ELSEWHERE = {
    "make demo": "tests/e2e/test_cli.py",  # as volition demo
    "make test": "tests/test_project.py",  # what runs this
    "volition doctor": "tests/e2e/test_cli.py",
    "volition evaluate ssvep_exo --root DIR --session fbcca-exo": (
        "tests/benchmarks/quality/evaluation/test_evaluate.py"
    ),
}
SEEN = ("volition streams",)
ASKED = (
    "curl -s localhost:8765/v1/sessions",
    "curl -s localhost:8765/v1/sessions/speller/state",
    "curl -s 'localhost:8765/v1/sessions/speller/intents?after=0&wait=10'",
    (
        "curl -s -X POST localhost:8765/v1/sessions/speller/markers "
        """-H 'content-type: application/json' -d '{"name": "trial_start"}'"""
    ),
    "curl -s localhost:8765/metrics",
)
RECORDED = ("volition replay recording.xdf --session session.yaml",)
#: The README's session: what it calls each flicker.
LABELS = {13.0: "up", 17.0: "left", 21.0: "right"}
PERSON = SsvepParticipant(seed=5, targets=tuple(map(Flicker, LABELS)), response_uv=8.0)
#: From an outlet to the first intent, by the README's promise to whoever tries it.
FEW_MINUTES_S = 300.0


def line_printed_while_looking(
    screen: Screen, process: subprocess.Popen[str]
) -> tuple[str, list[str]]:
    """Have the person look at one flicker after the other until a program prints a line.

    Give the line and the labels of what was looked at last and before that, since a decision comes
    a little behind the look.
    """
    looked_at: list[str] = []
    for freq_hz, label in itertools.islice(itertools.cycle(LABELS.items()), 12):
        looked_at.append(label)
        screen.show(freq_hz, local_clock() + 0.1)
        assert process.stdout is not None
        if select.select([process.stdout], [], [], 5.0)[0]:
            return process.stdout.readline(), looked_at[-2:]
    raise AssertionError(f"nothing was printed while {looked_at} were looked at")


@pytest.fixture(scope="module")
def readme(repository: Path) -> Document:
    return Document(repository / "README.md")


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    screen = Screen(f"screen-{uuid.uuid4().hex}")
    with screen.markers:
        yield screen


@pytest.fixture(scope="module")
def folder(readme: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody tries the README, with its session file."""
    folder = tmp_path_factory.mktemp("trial")
    (session,) = readme.blocks("yaml")
    (folder / "session.yaml").write_text(session, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def began_s() -> float:
    return time.monotonic()


@pytest.fixture(scope="module")
def headset(began_s: float, screen: Screen) -> Iterator[None]:
    """The headset that the session file names, on a person who looks at the screen."""
    options = HeadsetOptions(PERSON, source_id="my-headset", steered_by=screen.source_id)
    with HeadsetProcess(options):
        assert screen.markers.wait_for_consumers(30.0)
        yield


@pytest.fixture(scope="module")
def service(headset: None, folder: Path) -> Iterator[RunningService]:
    """``volition serve --session session.yaml``, on a port that is free."""
    data = str(folder / "data")
    with running_service(
        "--session", str(folder / "session.yaml"), env={"VOLITION_DATA": data}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def shell(service: RunningService, folder: Path) -> Shell:
    place = place_of(service.url)
    return Shell(folder, {"127.0.0.1:8765": place, "localhost:8765": place})


def test_every_line_of_the_readme_is_run(readme: Document, repository: Path) -> None:
    ran = {*SEEN, *ASKED, *RECORDED, "volition serve --session session.yaml"}
    assert set(readme.lines()) == ran | ELSEWHERE.keys()
    assert all((repository / test).is_file() for test in ELSEWHERE.values())


@pytest.mark.slow
def test_an_own_outlet_gives_selections_with_one_session_file_in_a_few_minutes(
    readme: Document, shell: Shell, screen: Screen, began_s: float
) -> None:
    for line in SEEN:
        assert "my-headset" in shell.run(line)
    (snippet,) = readme.blocks("python")
    with shell.running("python", "-c", snippet) as client:
        printed, looked_at = line_printed_while_looking(screen, client)
    label, confidence, number = printed.split()
    assert label in looked_at
    assert 0 < float(confidence) <= 1
    assert int(number) > 0
    assert time.monotonic() - began_s < FEW_MINUTES_S


@pytest.mark.slow
def test_the_follower_of_the_page_on_clients_prints_what_may_be_acted_on(
    repository: Path, shell: Shell, screen: Screen
) -> None:
    (snippet,) = Document(repository / "docs" / "clients.md").blocks("python")
    with shell.running("python", "-c", snippet) as client:
        printed, looked_at = line_printed_while_looking(screen, client)
    assert printed.strip() in looked_at


@pytest.mark.slow
def test_state_is_asked_for_as_the_readme_says(shell: Shell) -> None:
    needs("curl")
    sessions, state, intents, marked, metrics = map(shell.run, ASKED)
    assert [session["id"] for session in json.loads(sessions)["sessions"]] == ["speller"]
    assert json.loads(state)["state"] == "running"
    assert json.loads(intents)["intents"]
    assert json.loads(marked)["t"] > 0
    assert 'volition_session_state{session="speller",state="running"} 1' in metrics


@pytest.mark.slow
def test_the_session_is_calibrated_at_the_first_try(
    service: RunningService, screen: Screen
) -> None:
    plan = {"blocks": 3, "cue_s": 0.3, "trial_s": 1.3, "pause_s": 0.1}
    with Client(service.url) as client, client.subscribe("speller") as messages:
        targets = client.session("speller").config["decoder"]["targets"]
        asked = {"kind": "ecca", "targets": targets, "window_s": 1.0}
        body = {"name": "me", "source": "guided", "guided": plan, "decoder": asked, "swap": True}
        begun = client.calibrate("speller", body)
        for message in messages:
            screen.follow(message)
            if isinstance(message, CalibrationMessage) and message.state in ("done", "refused"):
                break
        view = client.calibration("speller", begun.id)
        assert view.state == "done", view.refusal
        assert view.model is not None
        assert view.model.scores["accuracy"] >= 0.8
        assert client.session_model("speller").now.model == view.model.reference


@pytest.mark.slow
def test_a_recording_is_replayed_with_the_same_session_file(folder: Path) -> None:
    one = PERSON.record([0, 1, 2], trial_s=4.0)
    with XdfWriter(folder / "recording.xdf") as writer:
        signal = writer.add_signal(one.spec, name="eeg", source_id="my-headset")
        writer.write_samples(signal, one.samples, one.times)
    said = "".join(map(Shell(folder, {}).run, RECORDED))
    assert re.search(r"[0-9a-f]{64}", said)
    for label in LABELS.values():
        assert label in said
