"""A session loses nothing while it is calibrated, and what says so has heard every phase of it."""

from __future__ import annotations

import pytest

from volition.benchmarks.speed import during_fit


@pytest.mark.slow
def test_nothing_is_lost_over_a_calibration_and_its_change_of_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(during_fit, "TRIAL_S", 0.9)
    monkeypatch.setattr(during_fit, "PAUSE_S", 0.1)
    found = during_fit.during_fit(blocks=3, fits=1)
    assert (found["lost"], found["resets"], found["restarts"], found["intents_lost"]) == (0,) * 4
    for phase in ("before", "during", "after"):
        assert 0 < found[phase]["p50_ms"] <= found[phase]["p99_ms"]
    assert found["before"]["n"] > 0.8 * found["before"]["seconds"] / during_fit.STEP_S
    assert found["samples"] >= 250 * sum(found[one]["seconds"] for one in ("before", "during"))
    assert found["accuracy"] > 0.5
    assert found["swap_ms"] > 0
