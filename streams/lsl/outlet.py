"""Streams that this program sends: signals and markers."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from volition.chunk import SignalSpec
from volition.errors import StreamError
from volition.streams.lsl import library
from volition.streams.lsl.clock import local_clock

BUFFER_S = 60
"""How much an outlet keeps for a receiver that is slow to pull."""


class _Outlet:
    """What signal and marker outlets share: who receives, and the end."""

    _outlet: Any

    def has_consumers(self) -> bool:
        """Say whether anyone receives."""
        return self._outlet is not None and bool(self._outlet.have_consumers())

    def wait_for_consumers(self, timeout_s: float) -> bool:
        """Wait until someone receives; False when no one does in time."""
        return self._outlet is not None and bool(self._outlet.wait_for_consumers(timeout_s))

    def close(self) -> None:
        """Take the stream off the network."""
        self._outlet = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class SignalOutlet(_Outlet):
    """An LSL stream of samples, with labels, units and kinds in its description.

    Parameters
    ----------
    spec
        Rate, labels, units and kinds.
    name, type
        As others find the stream.
    source_id
        Stays the same when the program restarts, so that receivers know the stream again.
    chunk_samples
        Samples that go out together, so that a last few short of that are never sent; 0, as a
        rule, to send each push as it is.
    format
        What the samples are sent as.
    """

    def __init__(
        self,
        spec: SignalSpec,
        *,
        name: str,
        type: str = "EEG",
        source_id: str,
        chunk_samples: int = 0,
        format: Literal["float32", "float64"] = "float32",
    ) -> None:
        pylsl = library.in_use()
        calls = library.library_calls()
        self.spec = spec
        self._dtype = np.dtype(format)
        self._push = calls.push_chunk_float32 if format == "float32" else calls.push_chunk_float64
        info = pylsl.StreamInfo(
            name,
            type,
            spec.n_channels,
            spec.rate_hz,
            pylsl.cf_float32 if format == "float32" else pylsl.cf_double64,
            source_id,
        )
        channels = info.desc().append_child("channels")
        for label, unit, kind in zip(spec.labels, spec.units, spec.kinds, strict=True):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
            channel.append_child_value("type", kind)
        self._outlet = pylsl.StreamOutlet(info, chunk_samples, BUFFER_S)

    def push(self, samples: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Send samples, each with its LSL time.

        Parameters
        ----------
        samples : array_like, shape (n_samples, n_channels)
            In the units of the spec; converted to the stream's format where they are not.
        times : array_like of float, shape (n_samples,)
            LSL time of this host for each sample, seconds.

        Raises
        ------
        StreamError
            The shapes do not fit the stream, or it is closed.
        """
        data = np.ascontiguousarray(samples, dtype=self._dtype)
        stamps = np.ascontiguousarray(times, dtype=np.float64)
        if data.shape != (*stamps.shape, self.spec.n_channels) or stamps.ndim != 1:
            raise StreamError(
                f"samples of shape {data.shape} and times of shape {stamps.shape} do not make "
                f"(n, {self.spec.n_channels}) samples with n times"
            )
        if not len(stamps):
            return
        code = self._push(_handle(self._outlet), data.ctypes.data, data.size, stamps.ctypes.data, 1)
        if code != 0:
            raise StreamError(f"liblsl refused {len(stamps)} samples with code {code}")


class MarkerOutlet(_Outlet):
    """An LSL stream of texts, each at its own time.

    Parameters
    ----------
    name, source_id, type
        As others find the stream.
    """

    def __init__(
        self,
        name: str,
        source_id: str,
        *,
        type: str = "Markers",
    ) -> None:
        pylsl = library.in_use()
        info = pylsl.StreamInfo(name, type, 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)
        # Irregular streams count their buffer in hundreds of samples.
        self._outlet = pylsl.StreamOutlet(info, 1, BUFFER_S)

    def push(self, text: str, time: float | None = None) -> None:
        """Send one marker, stamped with an LSL time of this host; now when left out."""
        _handle(self._outlet)
        self._outlet.push_sample([text], local_clock() if time is None else time)


def _handle(outlet: Any) -> Any:
    if outlet is None:
        raise StreamError("the outlet is closed")
    return outlet.obj
