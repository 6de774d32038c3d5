"""What a node answers to a gateway: each request within its deadline, and never twice."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from volition.errors import SessionError
from volition.service.cluster.engine import Engine
from volition.service.cluster.records import HoldRecord
from volition.service.cluster.subjects import Request, encode, to_json, token
from volition.service.sessions.config import AnyDecoderSettings
from volition.service.supervision.session import Session
from volition.service.supervision.supervisor import Supervisor
from volition.service.worker.bus import Frame, FrameType, IntentCode
from volition.streams.lsl.clock import local_clock

_PIECE_BYTES, _PAGE_BYTES = 256 << 10, 512 << 10
_decoder: TypeAdapter[Any] = TypeAdapter(AnyDecoderSettings)


async def answer(
    supervisor: Supervisor, engine: Engine, session: Session | None, request: Request
) -> bytes:
    """Do what is asked; give the answer.

    Raises
    ------
    SessionError
        The session does not run here, or the request is none.
    """
    if request.op == "clock":
        return to_json({"lsl_time": local_clock()})
    if session is None:
        raise SessionError(f"session {request.session} does not run on this node")
    if request.op == "command":
        return to_json(await _command(engine, session, request))
    if request.op == "page":
        return _page(session, request.body.get("after", 0))
    if request.op == "press":
        hold = HoldRecord.model_validate(request.body)
        session.word.merge(hold.pressed, hold.released)
        session.look_at_word()
        order = hold.pressed.order if hold.pressed else 0
        return to_json((await supervisor.stopping.confirm(session, order))._asdict())
    if request.op == "stop":
        await supervisor.stop(session, request.body.get("reason", "asked to stop"))
    elif request.op != "delete":
        raise SessionError(f"{request.op!r} is nothing that a node does")
    step = session.steps[-1]
    return to_json({"state": step.state, "reason": step.reason})


async def _command(engine: Engine, session: Session, request: Request) -> dict[str, Any]:
    """Have a worker do something, in the words of the local bus; answer as it does."""
    command = dict(request.body)
    op, number = command.pop("op"), command.pop("id", None)
    if op == "swap":
        made = await session.swap(
            _decoder.validate_python(command["decoder"]),
            remember=command["remember"],
            back=command["back"],
        )
        return {"result": made}
    if op == "history":
        head, rows = await session.history(command["last_s"])
        subject = f"vol.g.{request.gateway}.{token(session.id)}"
        for at in range(0, len(rows) + _PIECE_BYTES, _PIECE_BYTES):
            piece = rows[at : at + _PIECE_BYTES]  # the last, which is empty, says that it is all
            frame = Frame(FrameType.HISTORY, IntentCode.NONE, command["number"], 0.0, piece)
            await engine.publish(subject, encode(frame, session.generation))
        return {"result": head}
    if number is not None:
        return {"result": await session.ask(op, **command)}
    if session.link is None or not session.link.send({"op": op, **command}):
        raise SessionError(f"the worker of session {session.id} takes no commands now")
    return {"result": True}


def _page(session: Session, after: int) -> bytes:
    """Give the newest intents that are kept behind a number, as frames."""
    frames: list[bytes] = []
    n_bytes = 0
    for kept in reversed(session.hub.kept()):
        if kept.seq <= after or n_bytes > _PAGE_BYTES:
            break
        frames.append(encode(kept, kept.epoch))
        n_bytes += len(frames[-1])
    return b"".join(reversed(frames))
