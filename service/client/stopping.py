"""The emergency stop by every way at once: the stop word on this host, REST, and the socket.

Each way goes its own way in a thread of its own, and none waits for another: a service that hangs
holds up no worker, and a worker that hangs is ended. What comes back is what is confirmed, not what
was wished.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from websockets.exceptions import WebSocketException

from volition.errors import VolitionError
from volition.service.client import live
from volition.service.client.blocking import connected
from volition.service.client.call import ApiError, session_path
from volition.service.client.transport import Caller
from volition.service.sessions.stop_folder import words_at
from volition.service.sessions.stop_word import StopWord
from volition.service.wire.sessions import StoppedSession

#: A worker that has not obeyed by then is killed: the service does it a little sooner.
_CONFIRM_S = 0.2
#: What the system may take to end it.
_DIE_S = 1.0
_REST_S = 3.0
#: What the disk may take to remember it.
_REMEMBER_S = 0.2
_LOOK_S = 0.001
_FAILURES = (
    VolitionError,
    OSError,
    ValueError,
    httpx.HTTPError,
    WebSocketException,
    psutil.Error,
)
_LOOPBACK = ("localhost", "127.", "::1")
_PROCESS_SLACK_S = 1.0
_WAITS = "no answer"
_NOT_ON_DISK = "not on the disk yet, so a power cut would lose it"


@dataclass(frozen=True)
class StopReport:
    """What became of a stop of one session.

    Attributes
    ----------
    session
        Its id.
    confirmed
        Whether nothing but neutral intents leaves it any more.
    ways
        What became of it by each way: ``word``, ``rest``, ``socket``.
    """

    session: str
    confirmed: bool
    ways: dict[str, str]


@dataclass
class _Press:
    """One stop while it is being pressed."""

    session: str
    done: threading.Event = field(default_factory=threading.Event)
    confirmed: bool = False
    ways: dict[str, str] = field(default_factory=dict)

    def confirm(self) -> None:
        self.confirmed = True
        self.done.set()


def local_words(url: str) -> dict[str, StopWord]:
    """Give the stop words of a service on this host by their sessions; none of one elsewhere."""
    parts = urlsplit(url)
    if not (parts.hostname or "").startswith(_LOOPBACK) or parts.port is None:
        return {}
    with contextlib.suppress(OSError):
        return {word.session: word for word in words_at(parts.port)}
    return {}


def stop_all(caller: Caller[Any], sessions: list[str] | None = None) -> Iterator[StopReport]:
    """Stop sessions, or every one that can be found; go on after any failure.

    The words of this host are written before anything else is tried.
    """
    words = local_words(caller.url)
    wanted = words if sessions is None else [id_ for id_ in sessions if id_ in words]
    by = _user()
    orders = {id_: words[id_].press(by, "this host") for id_ in wanted}
    presses = [_begin(caller, id_, words[id_], orders[id_]) for id_ in orders]
    others = _listed(caller) if sessions is None else sessions
    presses += [_begin(caller, id_) for id_ in others if id_ not in orders]
    end = time.monotonic() + _REST_S + _DIE_S
    for press in presses:
        press.done.wait(max(0.0, end - time.monotonic()))
        yield StopReport(press.session, press.confirmed, dict(press.ways))


def _begin(
    caller: Caller[Any], session: str, word: StopWord | None = None, order: int = 0
) -> _Press:
    """Start every way."""
    press = _Press(session)
    ways: dict[str, Callable[[], str]] = {
        "rest": lambda: _by_rest(caller, press),
        "socket": lambda: _by_socket(caller, press),
    }
    if word is not None:
        ways["word"] = lambda: _by_word(word, order, press)
    press.ways.update(dict.fromkeys(ways, _WAITS))
    for name, way in ways.items():
        threading.Thread(target=_go, args=(press, name, way), daemon=True).start()
    return press


def _go(press: _Press, name: str, way: Callable[[], str]) -> None:
    try:
        press.ways[name] = way()
    except _FAILURES as error:
        press.ways[name] = str(error) or type(error).__name__
    if all(said != _WAITS for said in press.ways.values()):
        press.done.set()


def _by_rest(caller: Caller[Any], press: _Press) -> str:
    with _http(caller) as http:
        response = http.post(session_path(press.session, "/estop"))
    if not response.is_success:
        raise ApiError(f"refused with {response.status_code}: {response.text[:200]}")
    answer = StoppedSession.model_validate_json(response.content).answer
    press.confirm()
    told = f"{answer.outcome} after {answer.took_ms:.0f} ms"
    return told if answer.remembered else f"{told}; {_NOT_ON_DISK}"


def _by_socket(caller: Caller[Any], press: _Press) -> str:
    url = live.socket_url(caller, press.session, {"kinds": "idle"})
    options = live.socket_options(caller) | {"open_timeout": _REST_S}
    with connected(url, options) as socket:
        socket.send(json.dumps({"type": "estop"}))
        end = time.monotonic() + _REST_S
        while True:
            message = json.loads(socket.recv(timeout=max(0.0, end - time.monotonic())))
            if message["type"] == "refused":
                raise ApiError(message["detail"])
            if message["type"] == "status" and message["held"] and message["confirmed"]:
                press.confirm()
                return "confirmed"


def _by_word(word: StopWord, order: int, press: _Press) -> str:
    """Wait for the worker; end it when it does not obey and the service has not ended it."""
    began = time.monotonic()
    while not press.confirmed:
        time.sleep(_LOOK_S)
        took_s = time.monotonic() - began
        if _holds(word, order):
            told = f"confirmed after {took_s * 1e3:.0f} ms"
        elif took_s > _CONFIRM_S:
            _kill_reader(word)
            while not _holds(word, order):
                time.sleep(_LOOK_S)
            told = "the worker did not obey and was killed"
        else:
            continue
        is_remembered = _remember(word)
        press.confirm()
        return told if is_remembered else f"{told}; {_NOT_ON_DISK}"
    return "set"


def _remember(word: StopWord) -> bool:
    """Have the disk take the word; give whether it does so in time. The stop holds all the same."""
    done = threading.Event()

    def write() -> None:
        with contextlib.suppress(OSError):
            word.remember()
            done.set()

    threading.Thread(target=write, daemon=True).start()
    return done.wait(_REMEMBER_S)


def _holds(word: StopWord, order: int) -> bool:
    """Whether the worker obeys, has to read the word before it goes on, or is no more."""
    if word.obeyed >= order or word.at_rest or not word.reader:
        return True
    try:
        return psutil.Process(word.reader_pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _kill_reader(word: StopWord) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(word.reader_pid)
        # Else the number belongs to another by now, and the worker has ended.
        if process.create_time() < word.reads_since_utc + _PROCESS_SLACK_S:
            process.kill()


def _listed(caller: Caller[Any]) -> list[str]:
    with contextlib.suppress(httpx.HTTPError, ValueError, KeyError), _http(caller) as http:
        sessions = http.get("/v1/sessions").raise_for_status().json()["sessions"]
        return [one["id"] for one in sessions if one["state"] not in ("stopped", "failed")]
    return []


def _http(caller: Caller[Any]) -> httpx.Client:
    return httpx.Client(
        base_url=caller.url,
        timeout=_REST_S,
        trust_env=False,
        headers=caller.headers,
        verify=caller.tls or True,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user need not have a name
        return "unknown"
