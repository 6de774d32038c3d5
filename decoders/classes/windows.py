"""The windows that decoders of classes look at, cut by the machine that all of them share.

After each onset marker one window, or one every step; and, for what follows the session itself (its
centre, its drift), one a second. `volition.decoders.ssvep.windows.epochs` cuts them: where a window
begins and ends follows from the count of samples, so that however a signal is cut the windows are
the same.
"""

from __future__ import annotations

from typing import Any

from volition.decoders.classes.method import ClassMethod
from volition.decoders.ssvep.windows.epochs import EpochWindows

#: From window to window of those that tell how the session lies, seconds.
CENTRE_STEP_S = 1.0


def make_windows(
    method: ClassMethod[Any], n_channels: int, *, step_samples: int | None
) -> EpochWindows:
    """Make the machine for a method's windows.

    Parameters
    ----------
    step_samples
        From window to window of those that no marker asks for; None for none.
    """
    settings, rate_hz = method.settings, method.rate_hz
    settings.check_size(len(method.edges), n_channels, rate_hz)
    return EpochWindows(
        method.bank(n_channels),
        len(method.edges),
        n_channels,
        rate_hz,
        window_samples=settings.window_samples(rate_hz),
        step_samples=step_samples,
    )


def centre_step(method: ClassMethod[Any]) -> int:
    """Give the samples from one window that tells of the session to the next."""
    return max(1, round(CENTRE_STEP_S * method.rate_hz))
