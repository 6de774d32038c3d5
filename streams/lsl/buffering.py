"""How much of a stream liblsl is asked to keep: in seconds, as it counts, and bounded in bytes."""

from __future__ import annotations

import math

from volition.errors import StreamError

#: Where this is less than what is asked for, fewer seconds are kept, and one at least.
MOST_BYTES = 256 << 20
#: A stream of which one second is more is refused.
MOST_BYTES_PER_S = 1 << 30
#: Memory that liblsl takes for a sample, beside its values.
_BYTES_PER_SAMPLE = 64
_BYTES_PER_VALUE = 8


def buffer_s(rate_hz: float, n_channels: int, wanted_s: float) -> int:
    """Give the whole seconds to keep of a stream, at least one.

    Raises
    ------
    StreamError
        A second of it is more than can be kept.
    """
    bytes_per_s = rate_hz * (_BYTES_PER_SAMPLE + _BYTES_PER_VALUE * n_channels)
    if not bytes_per_s <= MOST_BYTES_PER_S:
        raise StreamError(
            f"a stream of {n_channels} channels at {rate_hz:g} Hz is {bytes_per_s:.3g} bytes a "
            f"second; at most {MOST_BYTES_PER_S} can be read",
            found=bytes_per_s,
            allowed=MOST_BYTES_PER_S,
        )
    wanted = max(1, math.ceil(wanted_s))
    return wanted if not bytes_per_s else max(1, min(wanted, int(MOST_BYTES / bytes_per_s)))
