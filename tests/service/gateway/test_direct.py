"""The short way of an intent to a socket."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from volition.service.gateway.direct import text_frame


@pytest.mark.parametrize("n_bytes", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_a_frame_has_the_bytes_that_the_library_makes(n_bytes: int) -> None:
    payload = b"x" * n_bytes
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
