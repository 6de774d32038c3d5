"""With ``--json`` each line of the log is a JSON object, whoever wrote it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from volition.service.gateway.logs import as_json_line

SPEAKERS = """
import logging, os, subprocess, sys
import structlog
from volition.service.gateway.logs import configure_logging
configure_logging("info", json=True)
structlog.get_logger().info("ours", session="s")
logging.getLogger("uvicorn.error").error("the web server")
os.write(2, b"2026-01-01 (1.2s) [x] udp_server.cpp:88 WARN| liblsl speaks\\n")
subprocess.run([sys.executable, "-c", "import sys; print('a child', file=sys.stderr)"])
raise RuntimeError("the end")
"""


def test_every_line_is_json_from_whoever_it_comes_to_the_last() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKERS], capture_output=True, text=True, check=False
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    told = {entry["event"].rpartition("] ")[2]: entry for entry in entries}
    assert told["ours"]["session"] == "s"
    assert told["the web server"]["level"] == "error"
    assert told["udp_server.cpp:88 WARN| liblsl speaks"]["logger"] == "liblsl"
    assert told["a child"]["logger"] == "stderr"
    assert told["RuntimeError: the end"]
    assert all("timestamp" in entry and "level" in entry for entry in entries)


@pytest.mark.parametrize(("line", "level"), [("a ERR| b", "error"), ("plain", "warning")])
def test_a_line_that_is_no_json_is_told_as_an_event(line: str, level: str) -> None:
    entry = json.loads(as_json_line(line))
    assert (entry["event"], entry["level"]) == (line, level)


def test_a_line_that_is_json_stays_as_it_is() -> None:
    assert as_json_line('{"event": "x"}') == '{"event": "x"}'
