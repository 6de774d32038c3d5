"""A peer's messages are set on the stream's own count of samples, and what is lost is seen."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import websockets.exceptions
import websockets.sync.server

from volition.benchmarks.peers import measure, subscribers
from volition.benchmarks.peers.measure import Placed, Program
from volition.benchmarks.peers.subscribers import Messages
from volition.benchmarks.speed.feeder import FedStream
from volition.streams.lsl.clock import local_clock

STREAM = FedStream(2, 1000.0, 0.010, "a-stream")
#: A push every 10 ms, each late by up to 0.4 ms.
PUSHED = 100 + 0.01 * np.arange(1, 201) + np.random.default_rng(0).uniform(0, 4e-4, 200)


def messages(
    t_sample: npt.ArrayLike, t_received: npt.ArrayLike, n_samples: npt.ArrayLike
) -> Messages:
    return Messages(
        np.array(t_sample, np.float64),
        np.array(t_received, np.float64),
        np.array(n_samples, np.int64),
    )


def test_a_message_for_each_chunk_has_its_own_latency() -> None:
    placed = Placed.of(messages(PUSHED, PUSHED + 0.002, [10] * 200), PUSHED, STREAM)
    assert placed.lost == 0
    latencies = placed.latencies_ms(PUSHED)
    assert len(latencies) == 199
    np.testing.assert_allclose(latencies, 2.0, atol=1e-6)


def test_what_lumps_chunks_together_is_late_with_the_older_ones() -> None:
    ends = PUSHED[3::4]
    placed = Placed.of(messages(ends, ends + 0.001, [40] * 50), PUSHED, STREAM)
    assert placed.lost == 0
    by_place = placed.latencies_ms(PUSHED).reshape(-1, 4).mean(axis=0)
    np.testing.assert_allclose(by_place, [31, 21, 11, 1], atol=0.5)


def test_bins_that_end_within_chunks_count_from_the_chunk_that_they_end_in() -> None:
    within = PUSHED - 0.006
    placed = Placed.of(messages(within, PUSHED + 0.002, [10] * 200), PUSHED, STREAM)
    assert placed.lost == 0
    np.testing.assert_allclose(placed.latencies_ms(PUSHED), 2.0, atol=1e-6)


def test_a_chunk_that_never_came_out_is_lost() -> None:
    there = np.delete(PUSHED, [50, 51, 120])
    placed = Placed.of(messages(there, there + 0.002, [10] * 197), PUSHED, STREAM)
    assert placed.lost == 30


def test_smoothed_times_are_placed_by_counting() -> None:
    rng = np.random.default_rng(1)
    smooth = PUSHED + rng.uniform(-8e-4, 8e-4, 200)
    placed = Placed.of(messages(smooth, PUSHED + 0.003, [10] * 200), PUSHED, STREAM)
    assert placed.lost == 0
    np.testing.assert_allclose(placed.latencies_ms(PUSHED), 3.0, atol=1e-6)
    there = np.delete(np.arange(200), range(100, 130))
    cut = messages(smooth[there], PUSHED[there] + 0.003, [10] * 170)
    assert Placed.of(cut, PUSHED, STREAM).lost == pytest.approx(300, abs=2)


@pytest.mark.parametrize("off_s", [-0.002, -0.001, 0.001, 0.002])
def test_times_that_are_a_sample_off_are_seen_through(off_s: float) -> None:
    shifted = messages(PUSHED + off_s, PUSHED + 0.002, [10] * 200)
    placed = Placed.of(shifted, PUSHED, STREAM)
    assert placed.lost == 0
    np.testing.assert_allclose(placed.latencies_ms(PUSHED), 2.0, atol=1e-6)


def test_a_peer_that_is_not_there_is_named_with_the_reason() -> None:
    program = Program("x.py", ("no_such_package",), ("no-such-package",), "nowhere")
    why = measure._versions(Path(sys.executable), program)
    assert why == "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
    gone = measure._versions(Path("no") / "such" / "python", program)
    assert isinstance(gone, str)
    assert "No such file" in gone


def test_a_subscriber_tells_when_it_measures_and_forgets_what_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscribers, "SETTLE_S", 0.1)
    said: list[object] = []

    class Pipe:
        def send(self, what: object) -> None:
            said.append(what)

    def send(socket: websockets.sync.server.ServerConnection) -> None:
        number = 0
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                number += 1
                socket.send(json.dumps({"t_sample": local_clock(), "n": number}))
                time.sleep(0.001)

    with websockets.sync.server.serve(send, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        subscribers.from_websocket(url, Pipe(), 0.2)
        server.shutdown()
        thread.join()
    address, first, measures, received = said
    assert (address, first, measures) == (None, True, True)
    assert isinstance(received, Messages)
    assert received.n_samples[0] > 1
    assert (np.diff(received.n_samples) == 1).all()
    assert (received.t_received >= received.t_sample).all()


def test_the_programs_of_peers_import_nothing_of_ours() -> None:
    folder = Path(measure.__file__).parent
    for program in measure.PROGRAMS.values():
        text = (folder / program.script).read_text("utf-8")
        for package in ("benchmarks", "decoders", "models", "service", "streams"):
            assert f"from {package}" not in text
            assert f"import {package}" not in text
