"""A guided calibration asks for what the decoder says that its trials are, of whatever family."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from volition.decoders.contract.trials import Choice, ClassTrials, PositionTrials, Trials
from volition.errors import ConfigError
from volition.service.calibration import calibrations, cursor_guide
from volition.service.wire.calibrations import CursorPlan, GuidedPlan

HANDS = ClassTrials(
    (Choice("left hand", {"class": "left"}), Choice("right hand", {"class": "right"})),
    rest=Choice("nothing", {"class": "none"}),
)
DECODER: Any = SimpleNamespace(kind="made_up")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the decoder say that its trials are these."""

    def declare(trials: Trials | None) -> None:
        for module in (calibrations, cursor_guide):
            monkeypatch.setattr(module, "trials_of", lambda _: trials)

    return declare


def asked(**plan: Any) -> list[tuple[int | None, str, dict[str, Any]]]:
    calibration: Any = SimpleNamespace(
        body=SimpleNamespace(guided=GuidedPlan(**plan)), decoder=DECODER
    )
    return [(one.target, one.label, one.data) for one in calibrations._order(calibration)]


def test_each_class_is_asked_for_once_a_block_and_rest_as_often_as_wanted(declared: Any) -> None:
    declared(HANDS)
    found = asked(blocks=3, rest_trials=2)
    assert len(found) == 3 * 4
    for start in range(0, 12, 4):
        block = found[start : start + 4]
        assert sorted(label for _, label, _ in block) == [
            "left hand",
            "nothing",
            "nothing",
            "right hand",
        ]
    assert {(label, target) for target, label, _ in found} == {
        ("left hand", 0),
        ("right hand", 1),
        ("nothing", None),
    }
    assert {data["class"] for _, _, data in found} == {"left", "right", "none"}


def test_rest_is_refused_where_the_decoder_learns_nothing_from_it(declared: Any) -> None:
    declared(ClassTrials(HANDS.choices))
    with pytest.raises(ConfigError, match="made_up learns nothing from"):
        asked(rest_trials=1)


@pytest.mark.parametrize("trials", [None, PositionTrials()])
def test_a_decoder_without_choices_is_asked_for_what_the_plan_names(
    declared: Any, trials: Trials | None
) -> None:
    declared(trials)
    assert asked(blocks=1, targets=[{"position": [1, 2]}]) == [(0, "1", {"position": [1, 2]})]
    with pytest.raises(ConfigError, match=r"made_up has no targets .* guided\.targets"):
        asked(blocks=1)


def test_a_cursor_is_guided_where_its_decoder_says_that_it_can_be(declared: Any) -> None:
    plan = GuidedPlan(cursor=CursorPlan(seconds=10))
    declared(PositionTrials(((0, 4), (-2, 2)), start=(1, 0)))
    cursor_guide.check_guidable(DECODER, plan)
    assert cursor_guide.start_of(DECODER) == (1, 0)
    declared(PositionTrials(((0, 4), (-2, 2))))
    assert cursor_guide.start_of(DECODER) == (2, 0)
    declared(PositionTrials(unguidable="it stands on its own feet"))
    with pytest.raises(ConfigError, match="on its own feet"):
        cursor_guide.check_guidable(DECODER, plan)
    declared(HANDS)
    with pytest.raises(ConfigError, match="made_up is none"):
        cursor_guide.check_guidable(DECODER, plan)
