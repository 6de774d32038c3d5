"""How a stage learns while the signal goes on, and that what was not mended is not decided on."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from tests.decoders.stages.artifact_signals import RATE_HZ, brain, run, spec_of
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.artifacts.steps import Steps
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.methods.fbcca import FbccaDecoder, FbccaSettings
from volition.decoders.stages.blocks import LEARNING_S, BlockStage, CalibratedSettings
from volition.decoders.stages.gate import Gate, GateSettings
from volition.errors import NotFittedError

N_STEPS = 100


class SlowSettings(CalibratedSettings):
    kind: Literal["slow"] = "slow"
    refuse: bool = False


class Slow(BlockStage[SlowSettings]):
    """Takes `N_STEPS` steps to learn; doubles the signal then."""

    settings_model: ClassVar[type[Settings]] = SlowSettings
    steps_taken = 0
    works = False

    def begin(self) -> None:
        self.works = False

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        for _ in range(N_STEPS):
            self.steps_taken += 1
            yield
        if self.settings.refuse:
            raise NotFittedError("nothing to learn from")
        return {}

    def adopt(self, parameters: Any) -> None:
        self.works = True

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        pass

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        return 2 * samples if self.works else samples


def slow(**settings: Any) -> Slow:
    stage = Slow(SlowSettings.model_validate({"calibration_s": 2, **settings}))
    stage.prepare(spec_of(3))
    return stage


@pytest.mark.parametrize("step", [1, 7, 50, 400, 2000])
def test_what_is_learned_works_from_the_same_sample_on_however_the_signal_comes(step: int) -> None:
    signal = brain(8, 3)
    cleaned = run(slow(), signal, step=step).samples
    doubled = (cleaned != signal).any(axis=1)
    first = int(doubled.argmax())
    assert doubled[first:].all()
    # One step after each LEARNING_S; the block in which the last one was taken is waited for.
    assert 2.0 + N_STEPS * LEARNING_S <= first / RATE_HZ <= 2.0 + N_STEPS * LEARNING_S + 0.1


def test_a_chunk_takes_no_more_steps_of_learning_than_its_length_allows() -> None:
    stage = slow()
    most = 0
    for start in range(0, 1000, 5):
        before = stage.steps_taken
        stage.process(Chunk(brain(0.02, 3), np.arange(start, start + 5) / RATE_HZ))
        most = max(most, stage.steps_taken - before)
    assert stage.steps_taken == N_STEPS
    assert most <= round(5 / RATE_HZ / LEARNING_S) + 1


def test_a_stage_says_that_it_is_learning_and_forgets_it_with_the_signal() -> None:
    stage = slow()
    run(stage, brain(2.2, 3))
    assert stage.state()["calibration"] == {"done": False, "progress": 1.0, "learning": True}
    stage.reset()
    assert stage.state()["calibration"] == {"done": False, "progress": 0.0, "learning": False}
    cleaned = run(stage, brain(2.2, 3)).samples
    np.testing.assert_array_equal(cleaned, brain(2.2, 3))


def test_what_could_not_be_learned_is_tried_again_over_the_next_span() -> None:
    stage = slow(refuse=True)
    run(stage, brain(7, 3))
    assert stage.steps_taken > N_STEPS
    assert stage.state()["calibration"]["problem"] == "nothing to learn from"


@pytest.mark.parametrize("policy", ["repair", "mask", "hold"])
def test_nothing_is_decided_on_a_span_that_could_not_be_repaired(policy: str) -> None:
    """With repair, more channels are bad at once than can be made anew; the others drop what is."""
    rng = np.random.default_rng(0)
    n = round(20 * RATE_HZ)
    times = np.arange(n) / RATE_HZ
    signal = 2 * rng.standard_normal((n, 4)) + 4 * np.sin(2 * np.pi * 10 * times)[:, None]
    begins, ends = 8.0, 9.0
    within = (times >= begins) & (times < ends)
    signal[within, :2] += 400 * np.sin(2 * np.pi * 12 * times[within])[:, None]
    gate = Gate(GateSettings(policy=policy, lookahead_s=1.0, window_s=0.5))  # type: ignore[arg-type]  # one of the three
    decoder = FbccaDecoder(
        FbccaSettings.model_validate(
            {
                "targets": [{"label": f"{hz}", "freq_hz": hz} for hz in (10, 12)],
                "window_s": 1.0,
                "n_harmonics": 2,
                "trigger": "sliding",
                "step_s": 0.25,
            }
        )
    )
    decoder.prepare(gate.prepare(SignalSpec(RATE_HZ, ("Oz", "O1", "O2", "POz"))))
    intents = [
        intent
        for start in range(0, n, 25)
        for intent in decoder.decode(
            gate.process(
                Chunk(signal[start : start + 25].copy(), times[start : start + 25].copy())
            ),
            (),
        )
    ]
    touched = [one for one in intents if begins < one.t_sample and one.t_sample - 1.0 < ends]
    assert len(touched) >= 7
    assert {one.reason for one in touched if isinstance(one, IdleIntent)} == {"missing_samples"}
    assert [one.t_sample for one in touched if isinstance(one, SelectionIntent)] == []
    before = [one for one in intents if 2 < one.t_sample < begins - 1]
    assert before
    assert {one.label for one in before if isinstance(one, SelectionIntent)} == {"10"}
