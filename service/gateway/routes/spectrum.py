"""The spectrum of a session's signal as its decoder saw it, for whoever looks.

The gateway asks the worker for the samples that it keeps, which go out while no intent waits, and
computes apart from both its own loop and the worker: one after the other, for each takes many times
the memory of its signal. Those who ask for the same meanwhile are given the same.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request

from volition.errors import ConfigError, SessionError
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM, session_of
from volition.service.supervision.session import Session
from volition.service.wire.spectrum import ChannelSpectrum, SpectrumView

#: Length of Welch's windows where there is as much signal: bins of 0.5 Hz.
WINDOW_S = 2.0
#: Different spectra that are asked for at a time; one waits for the others.
_MOST_ASKED = 8


def spectrum_of(head: dict[str, Any], rows: bytes, most_hz: float) -> SpectrumView:
    """Compute each channel's amplitude spectrum by Welch's method (Welch, IEEE Trans. Audio 1967).

    Parameters
    ----------
    head, rows
        As `Session.history` gives them.
    most_hz
        Frequencies above are left out.

    Raises
    ------
    ConfigError
        The signal has no rate.
    """
    from scipy.signal import welch

    spec = head["spec"]
    labels, units, rate_hz = spec["labels"], spec["units"], spec["rate_hz"]
    if not rate_hz > 0:
        raise ConfigError(
            "a spectrum needs a regularly sampled signal; this one names no rate", found=rate_hz
        )
    table = np.frombuffer(rows).reshape(-1, len(labels) + 1)
    samples = table[:, 1:]
    n_window = min(len(samples), round(WINDOW_S * rate_hz))
    if n_window < 2:
        freqs_hz, densities = np.empty(0), np.empty((0, len(labels)))
    else:
        freqs_hz, densities = welch(samples, rate_hz, nperseg=n_window, axis=0)
    shown = freqs_hz <= most_hz
    return SpectrumView(
        t=float(table[-1, 0]) if len(table) else None,
        seconds=len(samples) / rate_hz,
        freqs_hz=freqs_hz[shown].tolist(),
        channels=[
            ChannelSpectrum(
                label=label,
                unit=unit,
                amplitudes=np.sqrt(densities[shown, index]).tolist()
                if np.isfinite(samples[:, index]).all()
                else None,
            )
            for index, (label, unit) in enumerate(zip(labels, units, strict=True))
        ],
    )


class _Spectra:
    """Spectra that are being made, by what was asked for."""

    def __init__(self) -> None:
        self._asked: dict[tuple[Session, float, float], asyncio.Task[SpectrumView]] = {}
        self._one_at_a_time = asyncio.Lock()
        # One thread, whose memory is used again: each that computes keeps some of its own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="volition-spectrum")

    async def of(self, session: Session, last_s: float, most_hz: float) -> SpectrumView:
        """Give a spectrum; raise `SessionError` where too many wait for others."""
        asked = session, last_s, most_hz
        task = self._asked.get(asked)
        if task is None:
            if len(self._asked) >= _MOST_ASKED:
                raise SessionError(f"{len(self._asked)} spectra are being made; ask again later")
            task = self._asked[asked] = asyncio.create_task(self._make(*asked))
            task.add_done_callback(lambda done: self._forget(asked, done))
        return await asyncio.shield(task)  # whoever leaves takes it from nobody else

    async def _make(self, session: Session, last_s: float, most_hz: float) -> SpectrumView:
        async with self._one_at_a_time:
            head, rows = await session.history(last_s)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, spectrum_of, head, rows, most_hz)

    def _forget(
        self, asked: tuple[Session, float, float], done: asyncio.Task[SpectrumView]
    ) -> None:
        del self._asked[asked]
        if not done.cancelled():
            done.exception()  # is told to those who still wait


def spectrum_router() -> APIRouter:
    """Make the route."""
    spectra = _Spectra()
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["sessions"])

    @router.get("/sessions/{id}/spectrum", responses={404: PROBLEM, 409: PROBLEM})
    @allow(Role.READ)
    async def get_spectrum(
        request: Request,
        id: str,
        last_s: Annotated[
            float, Query(ge=0.5, le=10, description="Seconds of the newest signal to use.")
        ] = 4,
        most_hz: Annotated[
            float, Query(ge=1, le=1000, description="Frequencies above are left out.")
        ] = 60,
    ) -> SpectrumView:
        """Give the amplitude spectrum of each channel as the decoder saw it."""
        return await spectra.of(session_of(request, id), last_s, most_hz)

    return router
