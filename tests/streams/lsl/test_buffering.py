from __future__ import annotations

import pytest

from volition.errors import StreamError
from volition.streams.lsl.buffering import MOST_BYTES, buffer_s


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "kept_s"),
    [(250.0, 8, 60), (0.0, 8, 60), (2000.0, 128, 60), (700_000.0, 2, 4), (2_000_000.0, 40, 1)],
)
def test_the_buffer_of_a_stream_is_bounded_in_bytes(
    rate_hz: float, n_channels: int, kept_s: int
) -> None:
    assert buffer_s(rate_hz, n_channels, 59.5) == kept_s
    assert kept_s == 1 or kept_s * rate_hz * (64 + 8 * n_channels) <= MOST_BYTES


@pytest.mark.parametrize("rate_hz", [1e9, float("inf"), float("nan")])
def test_a_rate_that_no_memory_holds_is_refused_in_words(rate_hz: float) -> None:
    with pytest.raises(StreamError, match="bytes a second"):
        buffer_s(rate_hz, 6, 60.0)
