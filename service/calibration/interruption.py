"""A guided calibration waits while its session has no signal.

Nobody can look at a target, or steer, by a signal that does not come. In any state but ``running``
the guidance stands still and says so; when the signal is back it goes on, and where that takes too
long the calibration ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from volition.errors import SessionError
from volition.service.sessions.states import SessionState
from volition.service.supervision.session import Session
from volition.streams.lsl.clock import local_clock

#: A guidance that has stood still for this long, in seconds, ends.
MOST_PAUSED_S = 60.0
_LOOK_EVERY_S = 0.1


class GuideRefusedError(SessionError):
    """A guided calibration cannot go on; ``fields["reason"]`` says why."""

    code = "calibration"


async def wait_until_running(session: Session, tell: Callable[[str], None]) -> None:
    """Wait while a session has no signal; ``tell`` is given the reason, and each new one.

    Raises
    ------
    SessionError
        The session has ended.
    GuideRefusedError
        The signal did not come back in time.
    """
    began, told = local_clock(), ""
    while session.state is not SessionState.RUNNING:
        why = f"the session is {session.state}: {session.steps[-1].reason}"
        if session.state.final:
            raise SessionError(why, state=session.state)
        if local_clock() - began > MOST_PAUSED_S:
            raise GuideRefusedError(
                f"the guidance waited {MOST_PAUSED_S:g} s for the signal; {why}",
                reason="missing-samples",
            )
        if why != told:
            tell(f"paused, {why}")
            told = why
        await asyncio.sleep(_LOOK_EVERY_S)


async def until(session: Session, t: float) -> bool:
    """Sleep until LSL time ``t``; give False, at once, where the session stops running before."""
    while (left_s := t - local_clock()) > 0:
        if session.state is not SessionState.RUNNING:
            return False
        await asyncio.sleep(min(left_s, _LOOK_EVERY_S))
    return session.state is SessionState.RUNNING
