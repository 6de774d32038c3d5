from __future__ import annotations

import uuid
from typing import Literal

import numpy as np
import pylsl
import pytest

from volition.chunk import SignalSpec
from volition.errors import StreamError
from volition.streams.lsl.outlet import MarkerOutlet, SignalOutlet

SPEC = SignalSpec(250.0, ("Oz", "VEOG"), ("microvolts", "mV"), ("EEG", "EOG"))


@pytest.mark.parametrize("sample_format", ["float32", "float64"])
def test_another_program_receives_the_samples_the_times_and_the_description(
    sample_format: Literal["float32", "float64"],
) -> None:
    key = str(uuid.uuid4())
    samples = np.array([[1.0, -2.0], [np.nan, 1e-3], [3e5, 4.0]])
    times = np.array([10.0, 10.25, 11.0])
    with SignalOutlet(SPEC, name="out", source_id=key, format=sample_format) as outlet:
        (info,) = pylsl.resolve_byprop("source_id", key, 1, 5.0)
        inlet = pylsl.StreamInlet(info, recover=False, as_numpy=True)
        inlet.open_stream(5.0)
        assert outlet.wait_for_consumers(5.0)
        assert outlet.has_consumers()
        outlet.push(samples[:2], times[:2])
        outlet.push(samples[2:], times[2:])
        got, stamps = inlet.pull_chunk(timeout=5.0, max_samples=3)
        full = inlet.info(5.0)
        inlet.close_stream()

    np.testing.assert_array_equal(got, samples.astype(sample_format))
    np.testing.assert_array_equal(stamps, times)
    assert full.get_channel_labels() == ["Oz", "VEOG"]
    assert full.get_channel_units() == ["microvolts", "mV"]
    assert full.get_channel_types() == ["EEG", "EOG"]


@pytest.mark.parametrize(
    ("samples", "times"),
    [
        (np.zeros((2, 3)), np.zeros(2)),
        (np.zeros((2, 2)), np.zeros(3)),
        (np.zeros(2), np.zeros(1)),
        (np.zeros((2, 2)), 1.0),
    ],
)
def test_samples_that_do_not_fit_the_stream_are_refused(samples: object, times: object) -> None:
    with (
        SignalOutlet(SPEC, name="out", source_id=str(uuid.uuid4())) as outlet,
        pytest.raises(StreamError, match=r"do not make \(n, 2\) samples"),
    ):
        outlet.push(samples, times)  # type: ignore[arg-type]  # wrong on purpose


def test_a_closed_outlet_refuses_samples_and_markers() -> None:
    signal = SignalOutlet(SPEC, name="out", source_id=str(uuid.uuid4()))
    markers = MarkerOutlet("m", str(uuid.uuid4()))
    signal.close()
    markers.close()

    with pytest.raises(StreamError, match="closed"):
        signal.push(np.zeros((1, 2)), np.zeros(1))
    with pytest.raises(StreamError, match="closed"):
        markers.push("late")
    assert not signal.has_consumers()
    assert not markers.wait_for_consumers(0.0)
