"""A session's intents as an LSL marker stream."""

from __future__ import annotations

import json
import time
import uuid

from volition.chunk import SignalSpec
from volition.decoders.contract.intent import IdleIntent, to_json
from volition.service.sessions.outputs import OutputContext
from volition.service.worker.outputs.lsl import LslOutput, LslOutputSettings
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet


def test_each_intent_is_a_marker_at_the_time_of_its_newest_sample() -> None:
    session = uuid.uuid4().hex
    output = LslOutput(LslOutputSettings())
    output.open(OutputContext(session, 1, SignalSpec(250.0, ("a",)), {}, dict, lambda: False))
    found = find_one(source_id=f"volition-{session}", wait_s=10.0)
    assert (found.name, found.type) == (f"Volition-{session}", "Intents")
    intent = IdleIntent(session=session, seq=3, t_sample=5.0)
    with MarkerInlet(found) as inlet:
        deadline = time.monotonic() + 120
        while not (events := inlet.pull()):
            assert time.monotonic() < deadline
            output.intent(to_json(intent), intent)
            time.sleep(0.05)
    output.close(0.0)
    assert json.loads(events[0].name)["seq"] == 3
    assert abs(events[0].time - 5.0) < 0.01
