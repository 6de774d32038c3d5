"""Every call that both clients make, described once.

A method of `Calls` makes a `Call`. `endpoint` lets a client send it: `Client` gives the result,
`AsyncClient` an awaitable of it, with the same parameters.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import quote

from pydantic import BaseModel

from volition.models.manifest import Manifest, ModelCard
from volition.service.client.call import Call, session_path
from volition.service.client.transport import AsyncTransport, Transport
from volition.service.wire.calibrations import CalibrationBody, CalibrationList, CalibrationView
from volition.service.wire.code_book import CodeBookView
from volition.service.wire.intents import IntentPage
from volition.service.wire.markers import MarkerView, StampedView
from volition.service.wire.models import ModelList, ModelSwap, ModelVersions, SessionModels
from volition.service.wire.presets import PresetList, PresetView
from volition.service.wire.recordings import RecordingList, RecordingView
from volition.service.wire.service import Health, Readiness, TicketView
from volition.service.wire.sessions import SessionList, SessionView, StoppedSession
from volition.service.wire.spectrum import SpectrumView
from volition.service.wire.state import StateView
from volition.service.wire.streams import StreamList, StreamView
from volition.service.wire.words import WordsView

if TYPE_CHECKING:
    from volition.service.sessions.config import SessionConfig

P = ParamSpec("P")
A = TypeVar("A")


class endpoint(Generic[P, A]):  # noqa: N801 - used as a decorator, like property
    """A method that describes a call, as a method that makes it."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[A]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(
        self, client: None, owner: type[object]
    ) -> Callable[Concatenate[Any, P], Call[A]]: ...

    @overload
    def __get__(self, client: Transport, owner: type[object]) -> Callable[P, A]: ...

    @overload
    def __get__(
        self, client: AsyncTransport, owner: type[object]
    ) -> Callable[P, Coroutine[Any, Any, A]]: ...

    def __get__(self, client: Any, owner: type[object]) -> Any:
        if client is None:
            return self._describe
        describe = MethodType(self._describe, client)

        def make(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.send(describe(*args, **kwargs))

        return functools.update_wrapper(make, describe)


class Calls:
    """What a client can ask of the service."""

    @endpoint
    def health(self) -> Call[Health]:
        """Say that the service is up, and what its clocks show."""
        return Call("GET", "/healthz", Health.model_validate_json)

    @endpoint
    def ready(self) -> Call[Readiness]:
        """Say whether the service can take a session, and if not, why."""
        return Call("GET", "/readyz", Readiness.model_validate_json, accept=(503,))

    @endpoint
    def streams(self, type: str | None = None, wait_s: float = 1.0) -> Call[list[StreamView]]:
        """Give the LSL streams on the network, of one type or of any."""
        call = Call(
            "GET", "/v1/streams", StreamList.model_validate_json, {"type": type, "wait": wait_s}
        )
        return call.then(lambda found: found.streams)

    @endpoint
    def presets(self) -> Call[list[PresetView]]:
        """Give the configurations that ship, each with its YAML."""
        call = Call("GET", "/v1/presets", PresetList.model_validate_json)
        return call.then(lambda found: found.presets)

    @endpoint
    def ticket(self) -> Call[TicketView]:
        """Make a ticket, by which a browser opens one socket within seconds."""
        return Call("POST", "/v1/tickets", TicketView.model_validate_json)

    @endpoint
    def create_session(self, config: SessionConfig | Mapping[str, Any]) -> Call[SessionView]:
        """Create a session and start it; it connects by itself."""
        read = SessionView.model_validate_json
        return Call("POST", "/v1/sessions", read, body=_plain(config))

    @endpoint
    def sessions(self) -> Call[list[SessionView]]:
        """Give all sessions, also stopped ones that were not deleted."""
        call = Call("GET", "/v1/sessions", SessionList.model_validate_json)
        return call.then(lambda found: found.sessions)

    @endpoint
    def session(self, id: str) -> Call[SessionView]:
        """Give one session."""
        return Call("GET", session_path(id), SessionView.model_validate_json)

    @endpoint
    def stop(self, id: str) -> Call[SessionView]:
        """Stop a session."""
        return Call("POST", session_path(id, "/stop"), SessionView.model_validate_json)

    @endpoint
    def emergency_stop(self, id: str) -> Call[StoppedSession]:
        """Hold all outputs of a session until `release`; ``answer`` says how it holds."""
        return Call("POST", session_path(id, "/estop"), StoppedSession.model_validate_json)

    @endpoint
    def release(self, id: str, *, order: int) -> Call[SessionView]:
        """Release the emergency stop of a session.

        Parameters
        ----------
        id
            The session.
        order
            Number of the press that is released, as ``answer.order`` of `emergency_stop` or
            ``stop.order`` of a view; refused if the stop was pressed after it.
        """
        read = SessionView.model_validate_json
        return Call("DELETE", session_path(id, "/estop"), read, {"order": order})

    @endpoint
    def delete(self, id: str) -> Call[None]:
        """Stop a session and forget it."""
        return Call("DELETE", session_path(id), _nothing)

    @endpoint
    def state(self, id: str) -> Call[StateView]:
        """Give the state of a session's signal, stages and decoder."""
        return Call("GET", session_path(id, "/state"), StateView.model_validate_json)

    @endpoint
    def spectrum(
        self, id: str, *, last_s: float = 4.0, most_hz: float = 60.0
    ) -> Call[SpectrumView]:
        """Give the amplitude spectrum of a session's newest signal, up to a frequency."""
        query = {"last_s": last_s, "most_hz": most_hz}
        return Call("GET", session_path(id, "/spectrum"), SpectrumView.model_validate_json, query)

    @endpoint
    def code_book(self, id: str) -> Call[CodeBookView]:
        """Give the items of a session's decoder, and what each does in each step.

        The status is 409 where the decoder reads no coded items.
        """
        return Call("GET", session_path(id, "/book"), CodeBookView.model_validate_json)

    @endpoint
    def intents(
        self,
        id: str,
        *,
        after: int = 0,
        life: str | None = None,
        limit: int = 100,
        wait_s: float = 0.0,
    ) -> Call[IntentPage]:
        """Give the intents after a number of a life, oldest first; wait for one if there is none.

        Where they are not all kept, or the number is of another life, the status is 410.
        """
        query = {"after": after, "life": life, "limit": limit, "wait": wait_s}
        return Call("GET", session_path(id, "/intents"), IntentPage.model_validate_json, query)

    @endpoint
    def marker(
        self, id: str, name: str, data: Mapping[str, Any] | None = None, t: float | None = None
    ) -> Call[MarkerView]:
        """Stamp an event into a session's signal at LSL time ``t``, or on receipt."""
        body = {"name": name, "data": dict(data or {}), "t": t}
        return Call("POST", session_path(id, "/markers"), MarkerView.model_validate_json, body=body)

    @endpoint
    def markers(
        self, id: str, markers: Iterable[tuple[str, float] | Mapping[str, Any]]
    ) -> Call[StampedView]:
        """Stamp events into a session's signal together: all of them, or none if one is wrong.

        Each is its name and its LSL time, or a mapping with ``name``, ``t`` and ``data``. At most
        256 at once.
        """
        told = [
            dict(one) if isinstance(one, Mapping) else {"name": one[0], "t": one[1]}
            for one in markers
        ]
        return Call(
            "POST",
            session_path(id, "/markers/batch"),
            StampedView.model_validate_json,
            body={"markers": told},
        )

    @endpoint
    def words(self, begun: str = "", *, language: str = "en", most: int = 5) -> Call[WordsView]:
        """Give the likeliest words of a language that begin so."""
        query = {"begun": begun, "language": language, "most": most}
        return Call("GET", "/v1/words", WordsView.model_validate_json, query)

    @endpoint
    def session_model(self, id: str) -> Call[SessionModels]:
        """Say what decodes in a session, and what did before."""
        return Call("GET", session_path(id, "/model"), SessionModels.model_validate_json)

    @endpoint
    def swap_model(
        self, id: str, model: str | None = None, *, decoder: Mapping[str, Any] | None = None
    ) -> Call[ModelSwap]:
        """Have a running session decode with another model."""
        body = {"model": model, "decoder": None if decoder is None else dict(decoder)}
        return Call("PUT", session_path(id, "/model"), ModelSwap.model_validate_json, body=body)

    @endpoint
    def swap_model_back(self, id: str) -> Call[ModelSwap]:
        """Have a session decode with what it used before the last change."""
        return Call("POST", session_path(id, "/model/rollback"), ModelSwap.model_validate_json)

    @endpoint
    def calibrate(
        self, id: str, body: CalibrationBody | Mapping[str, Any]
    ) -> Call[CalibrationView]:
        """Start a calibration of a session."""
        read = CalibrationView.model_validate_json
        return Call("POST", session_path(id, "/calibrations"), read, body=_plain(body))

    @endpoint
    def calibrations(self, id: str) -> Call[list[CalibrationView]]:
        """Give the calibrations of a session, newest first."""
        call = Call("GET", session_path(id, "/calibrations"), CalibrationList.model_validate_json)
        return call.then(lambda found: found.calibrations)

    @endpoint
    def calibration(self, id: str, cid: str) -> Call[CalibrationView]:
        """Give one calibration of a session."""
        return Call("GET", _calibration_path(id, cid), CalibrationView.model_validate_json)

    @endpoint
    def cancel_calibration(self, id: str, cid: str) -> Call[CalibrationView]:
        """Cancel a calibration."""
        return Call("DELETE", _calibration_path(id, cid), CalibrationView.model_validate_json)

    @endpoint
    def models(self) -> Call[list[Manifest]]:
        """Give every model that ships or is kept in the registry."""
        call = Call("GET", _model_path(), ModelList.model_validate_json)
        return call.then(lambda found: found.models)

    @endpoint
    def model_versions(self, name: str) -> Call[list[Manifest]]:
        """Give the versions of a model, newest first."""
        call = Call("GET", _model_path(name), ModelVersions.model_validate_json)
        return call.then(lambda found: found.versions)

    @endpoint
    def model(self, name: str, version: str) -> Call[Manifest]:
        """Give the manifest of one version of a model."""
        return Call("GET", _model_path(name, version), Manifest.model_validate_json)

    @endpoint
    def add_model(
        self, name: str, content: bytes, card: ModelCard | Mapping[str, Any]
    ) -> Call[Manifest]:
        """Upload a model's file."""
        body = {
            "name": name,
            "card": _plain(card),
            "sha256": hashlib.sha256(content).hexdigest(),
            "content": base64.b64encode(content).decode(),
        }
        return Call("POST", _model_path(), Manifest.model_validate_json, body=body)

    @endpoint
    def model_content(self, name: str, version: str) -> Call[bytes]:
        """Download a model's file."""
        return Call("GET", _model_path(name, version) + "/content", bytes)

    @endpoint
    def remove_model(self, name: str, version: str | None = None) -> Call[None]:
        """Remove a version of a model, or all of them."""
        return Call("DELETE", _model_path(name, version), _nothing)

    @endpoint
    def recordings(self) -> Call[list[RecordingView]]:
        """Give what was recorded, newest first."""
        call = Call("GET", "/v1/recordings", RecordingList.model_validate_json)
        return call.then(lambda found: found.recordings)

    @endpoint
    def recording_content(self, id: str) -> Call[bytes]:
        """Download a recording, as an XDF file."""
        return Call("GET", _recording_path(id), bytes)

    @endpoint
    def delete_recording(self, id: str) -> Call[None]:
        """Delete a recording."""
        return Call("DELETE", _recording_path(id), _nothing)


def _nothing(_: bytes) -> None:
    """Read the answer to a call that gives nothing."""


def _plain(body: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    return body.model_dump(mode="json") if isinstance(body, BaseModel) else dict(body)


def _calibration_path(id: str, cid: str) -> str:
    return session_path(id, f"/calibrations/{quote(cid, safe='')}")


def _recording_path(id: str) -> str:
    return f"/v1/recordings/{quote(id, safe='')}"


def _model_path(name: str | None = None, version: str | None = None) -> str:
    parts = [quote(part, safe="") for part in (name, version) if part is not None]
    return "/".join(["/v1/models", *parts])
