"""What outputs share that send messages to somebody who may be away, slow or gone.

A link that cannot be made, or breaks, is no error of the output: it says so as its trouble, which
stands in the session's warnings and state, and tries again by itself, after a quarter of a second
and then twice as long each time, up to five seconds. What cannot be sent meanwhile is counted and
left out: an intent that is late is worth nothing.

Where the receiver is not told until when a message counts, as an intent's JSON does, the neutral
message follows by itself when the newest intent expires, and at the end of the session.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent, neutral, to_json
from volition.decoders.contract.settings import FileName
from volition.errors import InstallationError
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings
from volition.streams.lsl.clock import local_clock

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0

S = TypeVar("S", bound=OutputSettings)


def optional_module(name: str, *, extra: str) -> ModuleType:
    """Import what only one output needs.

    Raises
    ------
    InstallationError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise InstallationError(
            f"this output needs the package {name.partition('.')[0]}, which is not installed: "
            f"pip install 'volition[{extra}]'"
        ) from None


class SendingOutput(Output[S]):
    """Base of outputs that send messages over a link that may break.

    A subclass makes the link (`_connect`), ends it (`_disconnect`) and sends over it (`_send`);
    whatever keeps it from that is an `OSError`.
    """

    def __init__(self, settings: S) -> None:
        super().__init__(settings)
        self._is_connected = False
        self._error = ""
        self._wait_s, self._try_at = _FIRST_WAIT_S, 0.0
        self._connections = self._sent = self._unsent = 0
        self._unfilled = ""
        self._newest: Intent | None = None
        self._is_at_rest = True

    # -- what a subclass says -----------------------------------------------------------------

    @abstractmethod
    def _connect(self) -> None:
        """Make the link; what the context says is in ``self._context``."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Let go of the link; it is broken where there is an error, and may be none."""

    @abstractmethod
    def _send(self, encoded: bytes, intent: Intent) -> bool:
        """Send what is to be sent for an intent; give whether there is anything."""

    @property
    @abstractmethod
    def _address(self) -> str:
        """Say to whom it sends."""

    @property
    def _tells_expiry(self) -> bool:
        """Whether what is sent says until when it counts."""
        return True

    # -- the output -----------------------------------------------------------------------------

    def open(self, context: OutputContext) -> None:
        self._context = context
        self._try_to_connect()

    def intent(self, encoded: bytes, intent: Intent) -> None:
        at_rest = is_neutral(intent)
        self._newest, self._is_at_rest = intent, self._is_at_rest and at_rest
        self._deliver(encoded, intent)
        self._is_at_rest = at_rest

    @property
    def is_at_rest(self) -> bool:
        return self._tells_expiry or self._is_at_rest or not self._is_connected

    def status(self, status: Mapping[str, Any], t: float) -> None:
        """Come to rest at once when an emergency stop begins."""
        if not self._tells_expiry and status.get("hold", {}).get("held"):
            self._rest()

    def tend(self) -> None:
        if not self._is_connected and time.monotonic() >= self._try_at:
            self._try_to_connect()
        is_over = self._newest is not None and has_expired(self._newest)
        if not self._tells_expiry and (is_over or self._context.is_held()):
            self._rest()

    def close(self, timeout_s: float) -> None:
        if not self._tells_expiry and self._is_connected and timeout_s > 0:
            self._rest()
        self._disconnect()
        self._is_connected = False

    def trouble(self) -> str:
        if self._error:
            return f"output {self.settings.kind} to {self._address}: {self._error}"
        if self._unfilled:
            return f"output {self.settings.kind} leaves out a message: {self._unfilled}"
        return ""

    def state(self) -> dict[str, Any]:
        return {
            "to": self._address,
            "connected": self._is_connected,
            "connections": self._connections,
            "sent": self._sent,
            "unsent": self._unsent,
        }

    # -- the link -------------------------------------------------------------------------------

    def _try_to_connect(self) -> None:
        try:
            self._connect()
        except OSError as error:
            self._broke(error)
            return
        self._is_connected = True
        self._error, self._wait_s = "", _FIRST_WAIT_S
        self._connections += 1

    def _broke(self, error: OSError) -> None:
        self._error = error.strerror or str(error) or type(error).__name__
        self._disconnect()
        self._is_connected = False
        self._try_at = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _rest(self) -> None:
        """Send the neutral message, unless the newest was one."""
        newest = self._newest
        if newest is not None and not self._is_at_rest:
            still = resting(newest)
            self._deliver(to_json(still), still)
            self._is_at_rest = True

    def _deliver(self, encoded: bytes, intent: Intent) -> None:
        if not self._is_connected:
            self._unsent += 1
            return
        try:
            self._sent += self._send(encoded, intent)
            self._unfilled = ""
        except LookupError as error:
            self._unsent += 1
            self._unfilled = str(error.args[0])
        except OSError as error:
            self._unsent += 1
            self._broke(error)


def secret_in(path: FileName | None) -> str | None:
    """Read a password or token that a file holds; a line's end behind it does not count."""
    return None if path is None else Path(path).read_text("utf-8").rstrip("\r\n")


def is_neutral(intent: Intent) -> bool:
    """Whether an intent moves nothing."""
    if isinstance(intent, CursorIntent):
        return not any(intent.velocity)
    return isinstance(intent, IdleIntent)


def resting(intent: Intent) -> Intent:
    """Give what stands in for an intent that has expired: no movement, or idle."""
    if isinstance(intent, CursorIntent):
        return neutral(intent, intent.position)
    return IdleIntent(
        reason="missing_samples",
        session=intent.session,
        epoch=intent.epoch,
        seq=intent.seq,
        life=intent.life,
        t_sample=intent.t_sample,
        expires_s=intent.expires_s,
    )


def has_expired(intent: Intent) -> bool:
    """Whether an intent must be treated as neutral by now."""
    since = min(intent.t_sample, intent.t_decoded or intent.t_sample)
    return local_clock() >= since + intent.expires_s
