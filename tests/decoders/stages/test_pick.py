"""Keeping some channels."""

from __future__ import annotations

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.decoders.stages.pick import Pick, PickSettings
from volition.errors import ConfigError

SPEC = SignalSpec(
    256.0, ("Oz", "O1", "EOG"), ("microvolts",) * 2 + ("volts",), ("EEG",) * 2 + ("EOG",)
)


def test_pick_gives_the_channels_in_the_order_asked_for_with_units_and_kinds() -> None:
    stage = Pick(PickSettings(channels=["EOG", "Oz"]))
    assert stage.prepare(SPEC) == SignalSpec(
        256.0, ("EOG", "Oz"), ("volts", "microvolts"), ("EOG", "EEG")
    )
    result = stage.process(Chunk(np.array([[1.0, 2.0, 3.0]]), np.zeros(1)))
    np.testing.assert_array_equal(result.samples, [[3.0, 1.0]])


def test_pick_names_the_channels_found_when_one_is_unknown() -> None:
    with pytest.raises(ConfigError, match=r"no channel named Fz; found: Oz, O1, EOG"):
        Pick(PickSettings(channels=["Oz", "Fz"])).prepare(SPEC)


def test_pick_refuses_a_channel_twice() -> None:
    with pytest.raises(ConfigError, match="named twice: Oz"):
        Pick(PickSettings(channels=["Oz", "Oz"])).prepare(SPEC)
