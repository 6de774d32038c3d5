"""What the signal shows against what the stream announces, as warnings, and whether it blocks.

Each warning has a key. The status is told anew when the keys change, and not with every figure.
"""

from __future__ import annotations

from collections.abc import Iterable

from volition.decoders.contract.intent import IdleIntent, Intent
from volition.streams.signal.continuity import RATE_WARN, Continuity
from volition.streams.signal.quality import SignalQuality

BLOCKED_S = 5.0
"""Time without a decision after which a session is degraded."""

_N_BLOCKED = 3

_WHY = {
    "rate": "the rate is not what the stream announces",
    "missing_samples": "samples are missing in every window; stream.continuity.policy: interpolate "
    "bridges short gaps",
    "not_finite": "what is decoded is no number",
    "drifted": "the signal has drifted from what the model was calibrated on: re-centre, or "
    "calibrate anew",
}


def warnings_of(continuity: Continuity, announced_hz: float) -> dict[str, str]:
    """Say what contradicts the stream's own words."""
    rate = continuity.rate
    if rate is None or not announced_hz:
        return {} if continuity.trusted else {"rate-unknown": "the rate is not known yet"}
    off_hz = abs(rate.hz - announced_hz)
    said = f"{announced_hz:g} Hz are announced, {rate.hz:.2f} ± {rate.uncertainty_hz:.2f} Hz come"
    if not continuity.trusted:
        return {"rate-wrong": f"{said}: nothing is decided; set stream.rate_hz to the true rate"}
    if off_hz - rate.uncertainty_hz > RATE_WARN * announced_hz:
        return {"rate-off": f"{said}: the signal is decoded as if the first were true"}
    return {}


def implausible(quality: SignalQuality) -> dict[str, str]:
    """Say in what the signal cannot be what it says it is."""
    seen = quality.plausibility() or {"findings": []}
    return {f"implausible-{one['code']}": one["text"] for one in seen["findings"]}


class BlockWatch:
    """Notices a session that runs and decides nothing."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._n = 0
        self._why = ""

    def note(self, intents: Iterable[Intent], *, trusted: bool, now: float) -> None:
        """Take the intents of a chunk."""
        for intent in intents:
            why = ""
            if not trusted:
                why = "rate"
            elif isinstance(intent, IdleIntent) and intent.reason in _WHY:
                why = intent.reason
            if not why:
                self._since, self._n = None, 0
                continue
            self._since = now if self._since is None else self._since
            self._n += 1
            self._why = why

    def reason(self, now: float) -> str:
        """Say for how long nothing was decided and why; empty while that is not for long."""
        if self._since is None or now - self._since < BLOCKED_S or self._n < _N_BLOCKED:
            return ""
        return f"nothing decided for more than {BLOCKED_S:g} s: {_WHY[self._why]}"
