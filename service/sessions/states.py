"""The states of a session and the steps between them.

    created ──> connecting ──> running <──> degraded
                    ^             │             │
                    └─────────────┴─────────────┘     (the stream or the worker was lost)
    any of them ──> stopped | failed                  (both final)

Every step carries a reason and a time. Only `SessionState.RUNNING` (and `SessionState.DEGRADED`
where the configuration says so) lets anything but neutral intents out.
"""

from __future__ import annotations

from enum import StrEnum

from volition.errors import SessionError


class SessionState(StrEnum):
    """Where a session stands."""

    CREATED = "created"
    CONNECTING = "connecting"
    RUNNING = "running"
    DEGRADED = "degraded"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (SessionState.STOPPED, SessionState.FAILED)


_ENDS = {SessionState.STOPPED, SessionState.FAILED}
ALLOWED_STEPS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.CREATED: frozenset({SessionState.CONNECTING, *_ENDS}),
    SessionState.CONNECTING: frozenset({SessionState.RUNNING, *_ENDS}),
    SessionState.RUNNING: frozenset({SessionState.DEGRADED, SessionState.CONNECTING, *_ENDS}),
    SessionState.DEGRADED: frozenset({SessionState.RUNNING, SessionState.CONNECTING, *_ENDS}),
    SessionState.STOPPED: frozenset(),
    SessionState.FAILED: frozenset(),
}


def check_step(session: str, found: SessionState, wanted: SessionState) -> None:
    """Raise `SessionError` for a step that is not allowed."""
    if wanted not in ALLOWED_STEPS[found]:
        allowed = ", ".join(sorted(ALLOWED_STEPS[found])) or "none, it is final"
        raise SessionError(
            f"session {session} is {found}; it cannot become {wanted} (allowed: {allowed})",
            state=found,
        )
