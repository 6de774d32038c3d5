"""A keyboard and mouse that the kernel takes for real ones, and the key that arms them.

Linux's uinput makes an input device out of a program: whatever has the screen's focus, under X11,
Wayland and the console alike, takes its keys and movements for a person's. The numbers are the
kernel's (``linux/uinput.h``, ``linux/input-event-codes.h``); nothing need be installed, but the
user must be allowed to write ``/dev/uinput`` and to read the arming key's device.

What types for a person who cannot reach the keyboard is never let loose by a configuration alone:
`ArmedOutput` does nothing until somebody presses the arming key on a real keyboard. Pressed again,
or when an emergency stop begins, or when that keyboard is gone, it is disarmed, and every key that
is down is let go.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import FileName
from volition.errors import ConfigError
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings
from volition.service.worker.outputs.sending import has_expired, is_neutral

KEY_EVENT, MOVE_EVENT, _SYNC_EVENT = 1, 2, 0
LEFT_BUTTON = 0x110
_MOVE_X, _MOVE_Y = 0, 1
_SET_EVENTS, _SET_KEYS, _SET_MOVES = 0x40045564, 0x40045565, 0x40045566
_SET_UP, _CREATE, _DESTROY = 0x405C5503, 0x5501, 0x5502
#: struct input_event: seconds, microseconds, type, code, value.
_EVENT = struct.Struct("llHHi")
#: struct uinput_setup: bus, vendor, product, version, name, and effects, of which there are none.
_SETUP = struct.Struct("HHHH80sI")
_VIRTUAL_BUS = 6

_ROWS = {
    2: "1 2 3 4 5 6 7 8 9 0 minus equal backspace tab q w e r t y u i o p",
    28: "enter leftctrl a s d f g h j k l semicolon apostrophe grave leftshift backslash",
    44: "z x c v b n m comma dot slash rightshift",
    56: "leftalt space capslock f1 f2 f3 f4 f5 f6 f7 f8 f9 f10",
    87: "f11 f12",
    102: "home up pageup left right end down pagedown insert delete",
    125: "leftmeta",
}
#: The kernel's number of each key, by the name that a configuration says.
KEYS = {
    "esc": 1,
    **{key: first + n for first, row in _ROWS.items() for n, key in enumerate(row.split())},
}


def _known(key: str) -> str:
    if key not in KEYS:
        raise ValueError(f"there is no key {key!r}; allowed: {', '.join(KEYS)}")
    return key


Key = Annotated[str, AfterValidator(_known)]


class ArmingKey(BaseModel):
    """The key of a real keyboard by which somebody lets an output begin, and ends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: FileName = Field(
        description="Path of the keyboard, such as /dev/input/by-id/usb-...-event-kbd."
    )
    key: Key = Field(default="f12", description="Its key.")


class ArmedSettings(OutputSettings):
    """What outputs that press keys share."""

    arm: ArmingKey = Field(description="Nothing is pressed until this key was; again ends it.")
    device: FileName = Field(default=FileName("/dev/uinput"), description="Path of Linux's uinput.")


class VirtualDevice:
    """An input device of ours.

    Parameters
    ----------
    path
        Where uinput is.
    keys
        The numbers of the keys that it has.
    moves
        Whether it moves the pointer.

    Raises
    ------
    ConfigError
        It cannot be made here.
    """

    def __init__(self, path: str, keys: Iterable[int], *, moves: bool) -> None:
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"keys are pressed by Linux's uinput, found {sys.platform}")
        import fcntl

        try:
            self._file = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            fcntl.ioctl(self._file, _SET_EVENTS, KEY_EVENT)
            for key in keys:
                fcntl.ioctl(self._file, _SET_KEYS, key)
            for move in (_MOVE_X, _MOVE_Y) if moves else ():
                fcntl.ioctl(self._file, _SET_EVENTS, MOVE_EVENT)
                fcntl.ioctl(self._file, _SET_MOVES, move)
            setup = _SETUP.pack(_VIRTUAL_BUS, 0, 0, 1, b"Volition", 0)
            fcntl.ioctl(self._file, _SET_UP, setup)
            fcntl.ioctl(self._file, _CREATE)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be used ({error.strerror}): load the module uinput, and let the "
                "user who runs the service write it"
            ) from None
        self._down: set[int] = set()

    @property
    def is_at_rest(self) -> bool:
        """Whether no key is down."""
        return not self._down

    def press(self, *keys: int) -> None:
        """Press keys, in this order, and keep them down."""
        for key in keys:
            if key not in self._down:
                self._down.add(key)
                self._write(KEY_EVENT, key, 1)

    def let_go(self) -> None:
        """Let go of every key that is down."""
        for key in sorted(self._down):
            self._write(KEY_EVENT, key, 0)
        self._down.clear()

    def move(self, right: int, down: int) -> None:
        """Move the pointer, in the steps of a mouse."""
        for axis, steps in ((_MOVE_X, right), (_MOVE_Y, down)):
            if steps:
                self._write(MOVE_EVENT, axis, steps)

    def close(self) -> None:
        """Let go, and take the device away."""
        import fcntl

        with contextlib.suppress(OSError):
            self.let_go()
            fcntl.ioctl(self._file, _DESTROY)
        os.close(self._file)

    def _write(self, kind: int, code: int, value: int) -> None:
        os.write(self._file, _EVENT.pack(0, 0, kind, code, value))
        os.write(self._file, _EVENT.pack(0, 0, _SYNC_EVENT, 0, 0))


class ArmingSwitch:
    """Whether the arming key was pressed, an odd number of times since the last disarming."""

    def __init__(self, arm: ArmingKey) -> None:
        self._key = KEYS[arm.key]
        self._name = str(arm.device)
        self.is_armed = False
        try:
            self._file: int | None = os.open(arm.device, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise ConfigError(
                f"the keyboard {arm.device} cannot be read ({error.strerror}): name one below "
                "/dev/input, and let the user who runs the service read it (group input)"
            ) from None

    @property
    def is_gone(self) -> bool:
        """Whether the keyboard that holds the key is gone."""
        return self._file is None

    def look(self) -> bool:
        """Read what was pressed; give whether it is armed now."""
        while self._file is not None:
            try:
                came = os.read(self._file, 64 * _EVENT.size)
            except BlockingIOError:
                break
            except OSError:
                self.close()
                break
            for event in _EVENT.iter_unpack(came[: len(came) // _EVENT.size * _EVENT.size]):
                if event[2:] == (KEY_EVENT, self._key, 1):
                    self.is_armed = not self.is_armed
            if len(came) < 64 * _EVENT.size:
                break
        return self.is_armed

    def close(self) -> None:
        """Disarm for good."""
        self.is_armed = False
        if self._file is not None:
            os.close(self._file)
            self._file = None


S = TypeVar("S", bound=ArmedSettings)


class ArmedOutput(Output[S]):
    """Base of outputs that press keys once they are armed.

    A subclass says what device it needs (`_needs`) and what an intent does to it (`_act`). Whatever
    is neutral, or has expired, lets go of all.
    """

    _device: VirtualDevice | None = None
    _switch: ArmingSwitch | None = None

    def __init__(self, settings: S) -> None:
        super().__init__(settings)
        self._newest: Intent | None = None
        self._n_acts = 0

    @abstractmethod
    def _needs(self) -> tuple[set[int], bool]:
        """Give the keys that the device must have, and whether it moves the pointer."""

    @abstractmethod
    def _act(self, device: VirtualDevice, intent: Intent) -> bool:
        """Do what an intent asks for; give whether it asked for anything."""

    def open(self, context: OutputContext) -> None:
        self._context = context
        self._switch = ArmingSwitch(self.settings.arm)
        keys, moves = self._needs()
        self._device = VirtualDevice(str(self.settings.device), keys, moves=moves)

    def intent(self, encoded: bytes, intent: Intent) -> None:
        self._newest = intent
        device = self._device
        assert device is not None
        if self._may_act() and not is_neutral(intent) and not has_expired(intent):
            self._n_acts += self._act(device, intent)
        else:
            device.let_go()

    def status(self, status: Mapping[str, Any], t: float) -> None:
        """Disarm when an emergency stop begins: its release alone presses nothing."""
        if status.get("hold", {}).get("held"):
            self._disarm()

    def tend(self) -> None:
        is_over = self._newest is not None and has_expired(self._newest)
        if (not self._may_act() or is_over) and self._device is not None:
            self._device.let_go()

    @property
    def is_at_rest(self) -> bool:
        return self._device is None or self._device.is_at_rest

    def close(self, timeout_s: float) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None
        if self._switch is not None:
            self._switch.close()

    def trouble(self) -> str:
        if self._switch is not None and self._switch.is_gone:
            return f"output {self.settings.kind}: the keyboard that arms it is gone; it is disarmed"
        return ""

    def state(self) -> dict[str, Any]:
        is_armed = self._switch is not None and self._switch.is_armed
        return {"armed": is_armed, "armed_by": self.settings.arm.key, "acts": self._n_acts}

    def _may_act(self) -> bool:
        if self._context.is_held():
            self._disarm()
        return self._switch is not None and self._switch.look()

    def _disarm(self) -> None:
        if self._switch is not None:
            self._switch.look()
            self._switch.is_armed = False
        if self._device is not None:
            self._device.let_go()
