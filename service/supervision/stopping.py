"""The emergency stop at the gateway: it answers when it holds, and not before.

    press ──> word ──> confirmed by the worker ──────────────> answer
                └────> written through to the disk ──────────┘
                └────> not confirmed in 150 ms: worker killed ─┘

Neither way waits for the other or for anything else that the service does: the word is written at
once, and the disk has threads of its own. A disk that is slow or refuses is asked again until it
has the word, whoever wrote it; meanwhile the answer, the view and its warnings say that it has not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import structlog

from volition.errors import StopError
from volition.service.supervision.session import Session

log = structlog.get_logger()

#: A worker that has not obeyed by then is killed, so that the answer comes within 250 ms.
CONFIRM_S = 0.15
#: The system takes a moment to end a process that was killed.
_DIE_S = 1.0
_LOOK_S = 0.001
#: An answer waits no longer for a disk that takes nothing; the word is in memory all the same.
_REMEMBER_S = 0.2
#: From one attempt to the next where the disk refuses.
_AGAIN_S = 0.5

Outcome = Literal["confirmed", "no_worker", "killed"]
"""Why nothing leaves a session: its worker said so, there is none, or it was killed."""


class StopAnswer(NamedTuple):
    """What became of a press.

    Attributes
    ----------
    order
        Number of the press.
    outcome
        How it holds.
    took_s
        Seconds until then.
    remembered
        Whether the disk has it, so that it survives a power cut as well; it is asked again until
        it has.
    """

    order: int
    outcome: Outcome
    took_s: float
    remembered: bool


class Stopping:
    """Presses stops and waits until they hold."""

    def __init__(self) -> None:
        self._disk = ThreadPoolExecutor(4, thread_name_prefix="volition-stop")
        self._writing: dict[Session, asyncio.Task[None]] = {}

    async def press(self, session: Session, by: str, where: str) -> StopAnswer:
        """Hold all outputs of a session; return when nothing but neutral intents leaves it.

        Raises
        ------
        StopError
            A worker that did not obey could not be killed either. The stop stays set.
        """
        return await self.confirm(session, session.press_stop(by, where))

    async def confirm(self, session: Session, order: int) -> StopAnswer:
        """Wait until a press that was made just now holds, as `press` does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.remember(session)
        outcome = await _confirm(session, order)
        took_s = loop.time() - began
        remembered = await _is_remembered(session)
        session.look_at_word()
        return StopAnswer(order, outcome, took_s, remembered)

    async def release(self, session: Session, order: int, by: str, where: str) -> bool:
        """Let outputs go on, unless the stop was pressed again; give whether the disk has it."""
        session.release_stop(order, by, where)
        self.remember(session)
        return await _is_remembered(session)

    def remember(self, session: Session) -> None:
        """Have the disk take the stop word of a session, unless it has it or is at it already."""
        going = self._writing.get(session)
        if session.stop_is_remembered or (going is not None and not going.done()):
            return
        task = asyncio.create_task(self._write(session))
        self._writing[session] = task
        task.add_done_callback(lambda done: self._end(session, done))

    def _end(self, session: Session, done: asyncio.Task[None]) -> None:
        if self._writing.get(session) is done:  # and no later one
            del self._writing[session]

    async def _write(self, session: Session) -> None:
        loop, told = asyncio.get_running_loop(), False
        while not session.stop_is_remembered:
            try:
                await loop.run_in_executor(self._disk, session.remember_stop)
            except OSError as error:
                if not told:
                    log.error(
                        "the disk refuses the emergency stop; trying again",
                        session=session.id,
                        error=str(error),
                    )
                told = True
                await asyncio.sleep(_AGAIN_S)
        if told:
            log.warning("the disk has the emergency stop now", session=session.id)

    def let_go(self, session: Session) -> None:
        """Keep no file open for a session that has ended, once the disk has its stop word."""
        if session.stop_is_remembered and session not in self._writing:
            session.word.let_go()

    async def forget(self, session: Session) -> None:
        """Ask the disk no more for a session that is no more, and keep no file open for it."""
        writing = self._writing.get(session)
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])
        session.word.let_go()

    def close(self) -> None:
        """Let the threads end."""
        for task in self._writing.values():
            task.cancel()
        self._disk.shutdown(wait=False)


async def _confirm(session: Session, order: int) -> Outcome:
    if await _comes_true(lambda: session.obeys(order), CONFIRM_S):
        return "confirmed" if session.process is not None else "no_worker"
    generation = session.generation
    session.kill_for_stop()
    if await _comes_true(lambda: _is_gone(session, generation), _DIE_S):
        return "killed"
    raise StopError(
        f"the emergency stop of session {session.id} is set, but its worker neither obeys nor "
        "ends; use the stop of the device itself",
        session=session.id,
        order=order,
    )


def _is_gone(session: Session, generation: int) -> bool:
    process = session.process
    return session.generation != generation or process is None or not process.is_alive()


async def _comes_true(is_true: Callable[[], bool], within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        await asyncio.sleep(_LOOK_S)
        # Before the clock: a loop that was held up has not given a worker too little time.
        if is_true():
            return True
        if loop.time() > deadline:
            return False


async def _is_remembered(session: Session) -> bool:
    if session.stop_is_remembered:
        return True
    if await _comes_true(lambda: session.stop_is_remembered, _REMEMBER_S):
        return True
    log.error("the disk has not taken the emergency stop yet", session=session.id)
    return False
