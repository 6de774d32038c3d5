"""The spectrum of a session's signal, from what its worker keeps."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from volition.chunk import FloatArray
from volition.errors import ConfigError, SessionError
from volition.service.gateway.routes import spectrum
from volition.service.gateway.routes.spectrum import spectrum_of

RATE_HZ = 250.0


def head(n_channels: int, rate_hz: float = RATE_HZ) -> dict[str, Any]:
    labels = [f"c{index}" for index in range(n_channels)]
    return {"spec": {"labels": labels, "units": ["uV"] * n_channels, "rate_hz": rate_hz}}


def rows(samples: FloatArray) -> bytes:
    times = 7.0 + np.arange(len(samples)) / RATE_HZ
    return np.column_stack([times, samples]).tobytes()


def test_a_sine_stands_at_its_frequency_with_its_power() -> None:
    t = np.arange(1000) / RATE_HZ
    sine = 4.0 * np.sin(2 * np.pi * 12 * t)
    found = spectrum_of(head(2), rows(np.column_stack([sine, 0 * t])), most_hz=RATE_HZ)
    assert found.seconds == 4.0
    assert found.t == pytest.approx(7.0 + 999 / RATE_HZ)
    freqs_hz, (first, second) = np.array(found.freqs_hz), found.channels
    assert (first.label, first.unit) == ("c0", "uV")
    assert first.amplitudes is not None
    density = np.square(first.amplitudes)
    assert freqs_hz[density.argmax()] == 12
    assert density.sum() * freqs_hz[1] == pytest.approx(4.0**2 / 2, rel=1e-6)
    assert second.amplitudes is not None
    assert max(second.amplitudes) == 0


def test_frequencies_above_are_left_out_and_a_channel_with_a_missing_sample_has_none() -> None:
    noise = np.random.default_rng(0).normal(size=(600, 2))
    noise[300, 1] = np.nan
    found = spectrum_of(head(2), rows(noise), most_hz=40)
    assert found.freqs_hz[-1] == 40
    assert found.channels[0].amplitudes is not None
    assert len(found.channels[0].amplitudes) == len(found.freqs_hz)
    assert found.channels[1].amplitudes is None


@pytest.mark.parametrize("n_samples", [0, 1])
def test_too_little_signal_has_an_empty_spectrum(n_samples: int) -> None:
    found = spectrum_of(head(1), rows(np.zeros((n_samples, 1))), most_hz=40)
    assert found.freqs_hz == []
    assert found.channels[0].amplitudes == []


def test_a_signal_without_a_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no rate"):
        spectrum_of(head(1, rate_hz=0.0), rows(np.zeros((10, 1))), most_hz=40)


class Answering:
    """A session whose worker sends its signal when it is let; counts who asks at a time."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.n_asked = self.n_now = self.most_now = 0

    async def history(self, last_s: float | None) -> tuple[dict[str, Any], bytes]:
        self.n_asked += 1
        self.n_now += 1
        self.most_now = max(self.most_now, self.n_now)
        await self.may.wait()
        self.n_now -= 1
        if last_s == 9.0:
            raise SessionError("there is none yet")
        return head(2), rows(np.ones((500, 2)))


async def test_spectra_are_made_one_at_a_time_and_the_same_one_once_for_all_who_ask() -> None:
    session: Any = Answering()
    spectra = spectrum._Spectra()
    same = [asyncio.create_task(spectra.of(session, 4.0, 60.0)) for _ in range(50)]
    others = [asyncio.create_task(spectra.of(session, 4.0, hz)) for hz in (10.0, 20.0)]
    failing = asyncio.create_task(spectra.of(session, 9.0, 60.0))
    await asyncio.sleep(0)
    same[0].cancel()
    session.may.set()
    found = await asyncio.gather(*same[1:])
    assert all(one is found[0] for one in found)
    assert [one.freqs_hz[-1] for one in await asyncio.gather(*others)] == [10.0, 20.0]
    with pytest.raises(SessionError, match="none yet"):
        await failing
    assert (session.n_asked, session.most_now) == (4, 1)


async def test_of_too_many_spectra_at_a_time_the_last_are_refused() -> None:
    session: Any = Answering()
    spectra = spectrum._Spectra()
    waiting = [asyncio.create_task(spectra.of(session, 4.0, 10.0 + n)) for n in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(SessionError, match="8 spectra are being made"):
        await spectra.of(session, 4.0, 50.0)
    session.may.set()
    await asyncio.gather(*waiting)
    await spectra.of(session, 4.0, 50.0)
