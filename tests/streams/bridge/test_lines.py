"""Lines of numbers become samples, however they are cut, and what is no line is counted."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import tty
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.errors import ConfigError, StreamError
from volition.streams.bridge.lines import LineFormat, LineReader, SerialSource, UdpSource

TWO = LineFormat(100.0, ("Oz", "O1"))
COUNTED = LineFormat(100.0, ("Oz", "O1"), counter_column=0, counter_modulus=256)


def test_numbers_may_stand_apart_in_any_usual_way() -> None:
    came = LineReader(TWO).take(b"1,2\r\n3; 4\n\n5\t6\n -7.5e1  8 \n")
    np.testing.assert_array_equal(came.samples, [[1, 2], [3, 4], [5, 6], [-75, 8]])


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    content = b"".join(b"%d,%d.5\n" % (n, -n) for n in range(40))
    reader = LineReader(TWO)
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    pieces = [reader.take(content[a:b]).samples for a, b in itertools.pairwise(places)]
    np.testing.assert_array_equal(np.concatenate(pieces), LineReader(TWO).take(content).samples)


def test_a_counter_tells_what_did_not_arrive_across_its_turn() -> None:
    reader = LineReader(COUNTED)
    came = reader.take(b"253,1,2\n254,1,2\n1,1,2\n2,1,2\n")
    assert (came.samples.shape, came.lost) == ((4, 2), 2)
    assert reader.take(b"2,1,2\n").lost == 255


def test_wrong_lines_are_left_out_and_too_many_end_it() -> None:
    reader = LineReader(TWO)
    came = reader.take(b"5\n1,2\nready.\n1,2,3\n3,4\n\xff\xfe\n")
    np.testing.assert_array_equal(came.samples, [[1, 2], [3, 4]])
    assert reader.wrong == 4
    with pytest.raises(StreamError, match="101 lines in a row do not hold 2 numbers"):
        reader.take(b"what\n" * 200)
    with pytest.raises(StreamError, match="no line ends"):
        LineReader(TWO).take(b"1" * 70_000)


def test_numbers_are_scaled_to_the_unit() -> None:
    form = LineFormat(100.0, ("Oz",), units="uV", scale=0.0224)
    np.testing.assert_allclose(LineReader(form).take(b"1000\n").samples, [[22.4]])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (LineFormat(100.0, ()), "labels are needed"),
        (LineFormat(100.0, ("a", "a")), "each once; found 'a, a'"),
        (LineFormat(0.0, ("a",)), "above 0 Hz"),
        (LineFormat(100.0, ("a",), counter_column=2), "columns 0 to 1, found 2"),
    ],
    ids=["none", "twice", "rate", "counter"],
)
def test_a_format_that_is_no_signal_is_refused(form: LineFormat, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        UdpSource("127.0.0.1", 9, form)


def test_datagrams_are_lines_with_or_without_an_end() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source = UdpSource("127.0.0.1", port, TWO)
    spec = source.open()
    assert (spec.labels, spec.units, spec.kinds) == (
        ("Oz", "O1"),
        ("microvolts",) * 2,
        ("EEG",) * 2,
    )
    assert (source.name, source.source_id) == (f"udp-{port}", f"udp-{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (b"1,2", b"3,4\n5,6\n"):
            sender.sendto(datagram, ("127.0.0.1", port))
    rows = [source.read().samples for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate(rows), [[1, 2], [3, 4], [5, 6]])
    assert len(source.read().samples) == 0
    with pytest.raises(StreamError, match="Address already in use"):
        UdpSource("127.0.0.1", port, TWO).open()
    source.close()


def read_for_long(source: SerialSource) -> None:
    for _ in range(100):
        source.read()


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
def test_a_serial_port_is_read_lost_when_it_is_pulled_out_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    source = SerialSource(str(path), 115200, COUNTED)
    assert source.name == "serial-ttyUSB0"
    with pytest.raises(StreamError, match="cannot be opened"):
        source.open()
    for _ in range(2):
        master, slave = os.openpty()
        tty.setraw(slave)
        path.symlink_to(os.ttyname(slave))
        source.open()
        os.write(master, b"7,1,2\n9,3,4\n")
        rows: list[list[float]] = []
        lost = 0
        while len(rows) < 2:
            came = source.read()
            rows += came.samples.tolist()
            lost += came.lost
        assert (rows, lost) == ([[1, 2], [3, 4]], 1)
        os.close(master)
        os.close(slave)
        path.unlink()
        with pytest.raises(StreamError, match="is lost"):
            read_for_long(source)
        source.close()
