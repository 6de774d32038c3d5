"""Keys and movements leave only while a real key has armed them, and a stop lets go of all.

Pipes stand in for the kernel's devices: what is written to them and read from them is the same, but
for the calls that make a device, which are noted.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.service.worker.outputs.opening import (
    Stop,
    cursor,
    give,
    idle,
    opened,
    selection,
    tended,
)
from volition.decoders.contract.intent import ClassIntent, ClickIntent
from volition.errors import ConfigError
from volition.service.worker.outputs.keyboard import KeyboardOutputSettings
from volition.service.worker.outputs.linux_input import KEYS, LEFT_BUTTON
from volition.service.worker.outputs.mouse import MouseOutputSettings
from volition.streams.lsl.clock import local_clock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

EVENT = struct.Struct("llHHi")


class Machine:
    """The two devices of a machine, and what the kernel was told of ours."""

    def __init__(self, folder: Path) -> None:
        self.uinput, self.real = folder / "uinput", folder / "event3"
        for path in (self.uinput, self.real):
            os.mkfifo(path)
        self._ours = os.open(self.uinput, os.O_RDONLY | os.O_NONBLOCK)
        self.calls: list[tuple[int, Any]] = []
        self._keyboard: int | None = None

    def ioctl(self, file: int, call: int, argument: Any = 0) -> int:
        self.calls.append((call, argument))
        return 0

    def settings(self, **more: Any) -> dict[str, Any]:
        arm = {"device": str(self.real), "key": "f12"}
        return {"arm": arm, "device": str(self.uinput), **more}

    def hit(self, key: str = "f12") -> None:
        """Press and let go of a key of the real keyboard."""
        if self._keyboard is None:
            self._keyboard = os.open(self.real, os.O_WRONLY)
        for value in (1, 0):
            os.write(self._keyboard, EVENT.pack(0, 0, 1, KEYS[key], value))
            os.write(self._keyboard, EVENT.pack(0, 0, 0, 0, 0))

    def done(self) -> list[tuple[int, int, int]]:
        """Give what was pressed and moved since it was asked last: type, code and value."""
        try:
            written = os.read(self._ours, 1 << 16)
        except BlockingIOError:
            return []
        return [event[2:] for event in EVENT.iter_unpack(written) if event[2] != 0]

    def close(self) -> None:
        os.close(self._ours)
        if self._keyboard is not None:
            os.close(self._keyboard)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    monkeypatch.setattr(fcntl, "ioctl", made.ioctl)
    yield made
    made.close()


def keyboard(machine: Machine, *rules: dict[str, Any]) -> KeyboardOutputSettings:
    return KeyboardOutputSettings.model_validate(machine.settings(rules=rules))


def mouse(machine: Machine, **more: Any) -> MouseOutputSettings:
    return MouseOutputSettings.model_validate(machine.settings(**more))


UP = {"intent": "selection", "label": "up", "keys": ["up"]}
COPY = {"intent": "selection", "label": "copy", "keys": ["leftctrl", "c"]}
HOLD = {"intent": "class", "label": "fist", "keys": ["space"], "press": "hold"}


def key(name: str, value: int) -> tuple[int, int, int]:
    return 1, KEYS[name], value


def fist(**more: Any) -> ClassIntent:
    more = {"t_sample": local_clock(), **more}
    return ClassIntent(label="fist", probabilities={"fist": 0.9, "rest": 0.1}, **more)


def test_nothing_is_pressed_until_the_arming_key_was(machine: Machine) -> None:
    with opened(keyboard(machine, UP)) as output:
        give(output, selection("up"))
        assert machine.done() == []
        assert output.state() == {"armed": False, "armed_by": "f12", "acts": 0}
        machine.hit("f11")
        give(output, selection("up"))
        assert machine.done() == []
        machine.hit("f12")
        give(output, selection("up"))
        assert machine.done() == [key("up", 1), key("up", 0)]
        assert output.state()["armed"] is True


def test_the_arming_key_pressed_again_ends_it_and_lets_go(machine: Machine) -> None:
    with opened(keyboard(machine, HOLD)) as output:
        machine.hit()
        give(output, fist(expires_s=60))
        assert machine.done() == [key("space", 1)]
        machine.hit()
        output.tend()
        assert machine.done() == [key("space", 0)]
        give(output, fist())
        assert machine.done() == []


def test_keys_of_a_rule_are_pressed_together(machine: Machine) -> None:
    with opened(keyboard(machine, UP, COPY)) as output:
        machine.hit()
        give(output, selection("copy"))
        ctrl, c = "leftctrl", "c"
        assert machine.done() == [key(ctrl, 1), key(c, 1), key(ctrl, 0), key(c, 0)]


def test_a_key_is_held_as_long_as_its_intents_go_on(machine: Machine) -> None:
    with opened(keyboard(machine, HOLD, UP)) as output:
        machine.hit()
        give(output, fist(), fist())
        assert machine.done() == [key("space", 1)]
        give(output, selection("up"))
        assert machine.done() == [key("space", 0), key("up", 1), key("up", 0)]
        give(output, fist(), idle())
        assert machine.done() == [key("space", 1), key("space", 0)]
        give(output, fist(expires_s=0.2))
        tended(output, lambda: machine.done()[-1:] == [key("space", 0)])


def test_an_emergency_stop_lets_go_and_disarms_and_its_release_presses_nothing(
    machine: Machine,
) -> None:
    stop = Stop()
    with opened(keyboard(machine, HOLD), stop) as output:
        machine.hit()
        give(output, fist(expires_s=60))
        rested_before = output.is_at_rest
        stop.is_held = True
        output.status({"hold": {"held": True, "sample": 1, "t": 1.0}}, 1.0)
        assert (rested_before, output.is_at_rest) == (False, True)
        assert machine.done() == [key("space", 1), key("space", 0)]
        machine.hit()
        give(output, fist())
        stop.is_held = False
        output.status({"hold": {"held": False, "sample": 2, "t": 2.0}}, 2.0)
        assert machine.done() == []
        give(output, fist())
        assert machine.done() == []
        machine.hit()
        give(output, fist())
        assert machine.done() == [key("space", 1)]


def test_a_stop_that_is_not_told_yet_is_noticed_by_itself(machine: Machine) -> None:
    stop = Stop()
    with opened(keyboard(machine, HOLD), stop) as output:
        machine.hit()
        give(output, fist(expires_s=60))
        stop.is_held = True
        give(output, fist())
        assert machine.done() == [key("space", 1), key("space", 0)]
        output.tend()
        assert output.state()["armed"] is False


def test_an_intent_that_comes_too_late_presses_nothing(machine: Machine) -> None:
    with opened(keyboard(machine, UP)) as output:
        machine.hit()
        give(output, selection("up", t_sample=local_clock() - 2.0))
        assert machine.done() == []


def test_the_end_of_the_session_lets_go_and_takes_the_device_away(machine: Machine) -> None:
    with opened(keyboard(machine, HOLD)) as output:
        machine.hit()
        give(output, fist(expires_s=60))
    assert machine.done() == [key("space", 1), key("space", 0)]
    assert machine.calls[-1][0] == 0x5502


def test_the_device_has_the_keys_of_the_rules_and_no_other(machine: Machine) -> None:
    with opened(keyboard(machine, UP, COPY)):
        named = {code for call, code in machine.calls if call == 0x40045565}
        assert named == {KEYS["up"], KEYS["leftctrl"], KEYS["c"]}
        (setup,) = [argument for call, argument in machine.calls if call == 0x405C5503]
        assert len(setup) == 92
        assert setup[8:].rstrip(b"\0") == b"Volition"


def test_a_pointer_moves_at_the_decoded_velocity_and_keeps_what_is_left_over(
    machine: Machine,
) -> None:
    with opened(mouse(machine, steps_per_unit=100)) as output:
        machine.hit()
        t = local_clock()
        give(output, *(cursor(0.25, 0.5, t_sample=t - 1.0 + 0.1 * n) for n in range(9)))
        moved = machine.done()
        right = sum(steps for kind, axis, steps in moved if (kind, axis) == (2, 0))
        down = sum(steps for kind, axis, steps in moved if (kind, axis) == (2, 1))
        assert right in (19, 20)
        assert down in (-39, -40)


def test_a_pointer_does_not_jump_when_it_moves_again(machine: Machine) -> None:
    with opened(mouse(machine, steps_per_unit=100)) as output:
        machine.hit()
        t = local_clock()
        give(output, cursor(1.0, 0.0, t_sample=t - 0.9), cursor(0.0, 0.0, t_sample=t - 0.2))
        give(output, cursor(1.0, 0.0, t_sample=t - 0.1))
        assert machine.done() in ([(2, 0, 9)], [(2, 0, 10)])


def test_a_click_presses_the_left_button_once(machine: Machine) -> None:
    with opened(mouse(machine)) as output:
        give(output, ClickIntent(confidence=1, t_sample=local_clock()))
        machine.hit()
        give(output, ClickIntent(confidence=1, t_sample=local_clock()))
        assert machine.done() == [(1, LEFT_BUTTON, 1), (1, LEFT_BUTTON, 0)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "arm\n  Field required"),
        ({"arm": {"device": "/dev/input/event3", "key": "any"}}, "there is no key 'any'"),
        (
            {"arm": {"device": "/dev/input/event3"}, "rules": [{**UP, "keys": ["xx"]}]},
            "no key 'xx'",
        ),
    ],
    ids=["not armed", "arming key", "key"],
)
def test_a_keyboard_without_an_arming_key_or_with_unknown_keys_is_refused(
    more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        KeyboardOutputSettings.model_validate({"rules": [UP], **more})


def test_what_keeps_it_from_its_devices_is_said(machine: Machine, tmp_path: Path) -> None:
    no_keyboard = {"arm": {"device": str(tmp_path / "none")}, "rules": [UP]}
    with pytest.raises(ConfigError, match=r"none cannot be read \(No such file.*group input"):
        opened(KeyboardOutputSettings.model_validate(no_keyboard)).__enter__()
    no_uinput = machine.settings(rules=[UP], device=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"none cannot be used .*load the module uinput"):
        opened(KeyboardOutputSettings.model_validate(no_uinput)).__enter__()
