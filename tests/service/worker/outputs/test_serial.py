"""Lines come out of a serial port, here a pseudo-terminal, and a port that goes is found again."""

from __future__ import annotations

import json
import os
import select
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.worker.outputs.opening import cursor, give, idle, opened, selection, tended
from volition.errors import InstallationError
from volition.service.worker.outputs.serial import SerialOutputSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")


class Port:
    """A serial port that can be pulled out and put in again, at the same path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug_in()

    def plug_in(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))

    def pull_out(self) -> None:
        self.path.unlink()
        os.close(self.master)
        os.close(self._slave)

    def line(self) -> str:
        got = b""
        while not got.endswith(b"\n"):
            assert select.select([self.master], [], [], 60)[0], got
            got += os.read(self.master, 1)
        return got.decode()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "ttyUSB0")
    yield made
    made.pull_out()


def settings(port: Port, **more: Any) -> SerialOutputSettings:
    return SerialOutputSettings.model_validate({"port": str(port.path), **more})


SERVO = [
    {"intent": "cursor", "text": "S {velocity[0]*400+1500:.0f}\n"},
    {"intent": "selection", "label": "stop", "text": "X\n"},
]


def test_without_rules_each_intent_is_a_line_of_json(port: Port) -> None:
    with opened(settings(port)) as output:
        give(output, selection("up"))
        assert json.loads(port.line())["label"] == "up"


def test_rules_say_what_is_written_and_the_end_brings_the_servo_to_rest(port: Port) -> None:
    with opened(settings(port, rules=SERVO)) as output:
        give(output, idle(), cursor(0.5), selection("other"), selection("stop"), cursor(1.0))
        assert [port.line() for _ in range(3)] == ["S 1700\n", "X\n", "S 1900\n"]
        assert output.state()["sent"] == 3
    assert port.line() == "S 1500\n"


def test_a_port_that_is_pulled_out_is_told_and_taken_again_when_it_is_back(port: Port) -> None:
    with opened(settings(port, rules=SERVO)) as output:
        port.pull_out()

        def is_told() -> bool:
            give(output, cursor(1.0))
            return bool(output.trouble())

        tended(output, is_told)
        assert str(port.path) in output.trouble()
        port.plug_in()
        tended(output, lambda: output.state()["connected"])
        give(output, cursor(0.25))
        assert port.line() == "S 1600\n"
        assert output.trouble() == ""


def test_a_port_that_takes_nothing_is_given_up_and_not_waited_for(port: Port) -> None:
    with opened(settings(port)) as output:
        big = selection(evidence={f"target {n}": 0.5 for n in range(400)})
        for _ in range(100):
            give(output, big)
            if output.trouble():
                break
        assert "timeout" in output.trouble().lower()


def test_without_pyserial_it_says_what_to_install(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(InstallationError, match=r"pip install 'volition\[serial\]'"):
        opened(settings(port)).__enter__()
