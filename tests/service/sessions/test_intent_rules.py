"""Rules say which intents they are for, and texts are filled by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from volition.decoders.contract.intent import (
    ClassIntent,
    ClickIntent,
    CursorIntent,
    IdleIntent,
    SelectionIntent,
)
from volition.service.sessions.intent_rules import (
    IntentRule,
    IntentText,
    filled,
    filled_values,
    first_met,
)


class Rule(IntentRule):
    text: IntentText = ""


UP = SelectionIntent(
    target=1, label="up", confidence=0.75, evidence={"up": 2.5, "down": -1.0}, t_sample=3.0
)
FIST = ClassIntent(label="fist", probabilities={"fist": 0.8, "rest": 0.2}, t_sample=3.0)
MOVE = CursorIntent(velocity=[0.5, -2.0], t_sample=3.0)
CLICK = ClickIntent(confidence=0.4, t_sample=3.0)
REST = IdleIntent(reason="low_confidence", t_sample=3.0)


def rule(**settings: Any) -> Rule:
    return Rule.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "met"),
    [
        ({"intent": "selection"}, [UP]),
        ({"intent": "selection", "label": "up"}, [UP]),
        ({"intent": "selection", "label": "down"}, []),
        ({"intent": "selection", "least_confidence": 0.75}, [UP]),
        ({"intent": "selection", "least_confidence": 0.76}, []),
        ({"intent": "class", "label": "fist", "least_confidence": 0.8}, [FIST]),
        ({"intent": "class", "least_confidence": 0.81}, []),
        ({"intent": "click", "least_confidence": 0.5}, []),
        ({"intent": "cursor"}, [MOVE]),
        ({"intent": "idle"}, [REST]),
    ],
    ids=str,
)
def test_a_rule_is_met_by_intents_of_its_kind_label_and_confidence(
    settings: dict[str, Any], met: list[Any]
) -> None:
    assert [one for one in (UP, FIST, MOVE, CLICK, REST) if rule(**settings).meets(one)] == met


def test_the_first_rule_that_is_met_counts() -> None:
    rules = [
        rule(intent="selection", label="down", text="d"),
        rule(intent="selection", text="any"),
        rule(intent="selection", label="up", text="u"),
    ]
    assert first_met(rules, UP) is rules[1]
    assert first_met(rules, REST) is None


@pytest.mark.parametrize(
    ("text", "intent", "written"),
    [
        ("{label} {confidence:.1f}", UP, "up 0.8"),
        ("{target}/{evidence[down]}", UP, "1/-1.0"),
        ("{confidence:.2f}", FIST, "0.80"),
        ("{probabilities[rest]*100:.0f}%", FIST, "20%"),
        ("{velocity[0]*400+1500:.0f} {velocity[1]*-1:.1f}", MOVE, "1700 2.0"),
        ("{velocity[1]-0.5:.2f}", MOVE, "-2.50"),
        ("{reason}\n", REST, "low_confidence\n"),
        ("ON", CLICK, "ON"),
        ("", CLICK, ""),
    ],
)
def test_places_are_filled_by_the_intent(text: str, intent: Any, written: str) -> None:
    assert filled(text, intent) == written


@pytest.mark.parametrize(
    ("text", "intent", "values"),
    [
        ("{velocity}", MOVE, [0.5, -2.0]),
        ("{velocity[1]*10}", MOVE, [-20.0]),
        ("{target}", UP, [1]),
        ("{label}", UP, ["up"]),
        ("to {label}", UP, ["to up"]),
        ("{confidence:.1f}", UP, ["0.8"]),
    ],
)
def test_a_place_alone_keeps_its_type_and_a_list_is_several_values(
    text: str, intent: Any, values: list[Any]
) -> None:
    assert filled_values(text, intent) == values


@pytest.mark.parametrize(
    ("text", "intent", "lacks"),
    [
        ("{position[0]}", MOVE, "no position"),
        ("{velocity[2]}", MOVE, r"no velocity\[2\]"),
        ("{velocity[x]}", MOVE, r"no velocity\[x\]"),
        ("{evidence[left]}", UP, r"no evidence\[left\]"),
        ("{label*2}", UP, "no number that can be scaled"),
        ("{label:.1f}", UP, "no number that can be rounded"),
    ],
)
def test_what_an_intent_lacks_is_said(text: str, intent: Any, lacks: str) -> None:
    with pytest.raises(LookupError, match=lacks):
        filled(text, intent)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"intent": "cursor", "label": "up"}, "cursor has no label"),
        ({"intent": "idle", "least_confidence": 0.5}, "not asked for its confidence"),
        ({"intent": "cursor", "text": "{label}"}, r"\{label\} is no field .* velocity"),
        ({"intent": "selection", "text": "{velocity}"}, r"\{velocity\} is no field"),
        ({"intent": "selection", "text": "{label.__class__}"}, "a place to fill is written"),
        ({"intent": "selection", "text": "{label!r}"}, "a place to fill is written"),
        ({"intent": "selection", "text": "{__class__}"}, r"is no field"),
        ({"intent": "selection", "text": "50 }"}, "a place to fill is written"),
        ({"intent": "blink"}, "'selection', 'class', 'click', 'cursor' or 'idle'"),
    ],
    ids=str,
)
def test_a_rule_that_no_intent_could_meet_or_fill_is_refused(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        rule(**settings)


@given(text=st.text(st.sampled_from("{}[]*+-:.f0a_ label velocity"), max_size=30))
def test_whatever_text_is_taken_is_filled_or_refused_and_never_breaks(text: str) -> None:
    try:
        taken = rule(intent="selection", text=text)
    except ValidationError:
        return
    try:
        written = filled(taken.text, UP)
    except LookupError:
        written = taken.text
    assert ("{" in written) == (written == taken.text and "{" in taken.text)
