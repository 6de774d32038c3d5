"""Which intent leads to which message, key or address: the rules that outputs share.

A rule says what it is for (`IntentRule`): a kind of intent and, where one is given, its label and
the least confidence. The first rule that an intent meets counts.

What a rule sends is text with places that the intent fills (`IntentText`)::

    {label}   {confidence:.2f}   {velocity[0]}   {velocity[0]*400+1500:.0f}   {evidence[left]}

A place is the name of a field, an element of it in brackets, a factor and a summand, and how many
decimals are written. A name that no intent of that kind has is an error when the configuration is
read; an element that this one intent lacks is a `LookupError` when it is filled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from volition.decoders.contract.intent import (
    ClassIntent,
    ClickIntent,
    CursorIntent,
    IdleIntent,
    Intent,
    SelectionIntent,
)

IntentKind = Literal["selection", "class", "click", "cursor", "idle"]

_MODELS: dict[str, type[BaseModel]] = {
    "selection": SelectionIntent,
    "class": ClassIntent,
    "click": ClickIntent,
    "cursor": CursorIntent,
    "idle": IdleIntent,
}
_NUMBER = r"\d+(?:\.\d+)?"
_PLACE = re.compile(
    r"\{(?P<name>[a-z_]+)(?:\[(?P<element>[^\]{}]*)\])?"
    rf"(?:\*(?P<factor>-?{_NUMBER}))?(?P<summand>[+-]{_NUMBER})?(?::\.(?P<decimals>\d)f)?\}}"
)


def _checked(text: str) -> str:
    """Refuse braces that are no place to fill."""
    rest = _PLACE.sub("", text)
    if "{" in rest or "}" in rest:
        raise ValueError(
            "a place to fill is written {label}, {confidence:.2f}, {velocity[0]} or "
            "{velocity[0]*400+1500:.0f}"
        )
    return text


IntentText = Annotated[str, Field(max_length=1024), AfterValidator(_checked)]


class IntentRule(BaseModel):
    """Which intents a rule is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intent: IntentKind = Field(description="Kind of the intents that it is for.")
    label: str | None = Field(
        default=None, description="This label alone, of selections and classes."
    )
    least_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="No less sure than this; selections, classes and clicks.",
    )

    @model_validator(mode="after")
    def _is_of_its_intent(self) -> IntentRule:
        if self.label is not None and self.intent not in ("selection", "class"):
            raise ValueError(f"an intent of kind {self.intent} has no label")
        if self.least_confidence and self.intent in ("cursor", "idle"):
            raise ValueError(f"an intent of kind {self.intent} is not asked for its confidence")
        named = {*_MODELS[self.intent].model_fields, *_extra_names(self.intent)}
        for text in _texts_of(self):
            for place in _PLACE.finditer(text):
                if place["name"] not in named:
                    raise ValueError(
                        f"{{{place['name']}}} is no field of an intent of kind {self.intent}; "
                        f"allowed: {', '.join(sorted(named))}"
                    )
        return self

    def meets(self, intent: Intent) -> bool:
        """Whether an intent is one that the rule is for."""
        if intent.kind != self.intent:
            return False
        if self.label is not None and getattr(intent, "label", None) != self.label:
            return False
        return not self.least_confidence or confidence_of(intent) >= self.least_confidence


R = TypeVar("R", bound=IntentRule)


def first_met(rules: Iterable[R], intent: Intent) -> R | None:
    """Give the first rule that an intent meets."""
    return next((rule for rule in rules if rule.meets(intent)), None)


def confidence_of(intent: Intent) -> float:
    """Give how sure an intent is, 0 to 1: of a class its probability, of a cursor 1."""
    if isinstance(intent, ClassIntent):
        return intent.probabilities.get(intent.label, 0.0)
    return float(getattr(intent, "confidence", 1.0))


def filled(text: str, intent: Intent) -> str:
    """Write a text with what the intent fills into its places.

    Raises
    ------
    LookupError
        The intent lacks an element that is named: it has no position, or no such dimension.
    """
    return _PLACE.sub(lambda place: _written(place, intent), text)


def filled_values(text: str, intent: Intent) -> list[str | int | float]:
    """Give what a text stands for as values: a place alone keeps its type, and a list is several.

    Raises
    ------
    LookupError
        As `filled`.
    """
    place = _PLACE.fullmatch(text)
    if place is None or place["decimals"] is not None:
        return [filled(text, intent)]
    value = _value(place, intent)
    return list(value) if isinstance(value, list | tuple) else [value]


def _extra_names(kind: str) -> tuple[str, ...]:
    return ("confidence",) if kind == "class" else ()


def _texts_of(rule: IntentRule) -> Iterable[str]:
    """Give the texts of a rule that have places: every text but its label, alone or in a list."""
    for name in type(rule).model_fields:
        value = getattr(rule, name)
        if name not in ("intent", "label"):
            yield from (one for one in _listed(value) if isinstance(one, str))


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _value(place: re.Match[str], intent: Intent) -> Any:
    name, element = place["name"], place["element"]
    value: Any = confidence_of(intent) if name == "confidence" else getattr(intent, name)
    if value is None:
        raise LookupError(f"this intent has no {name}")
    if element is not None:
        try:
            value = value[element] if isinstance(value, dict) else value[int(element)]
        except (LookupError, ValueError, TypeError):
            raise LookupError(f"this intent has no {name}[{element}]") from None
    if place["factor"] is None and place["summand"] is None:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LookupError(f"{name} is no number that can be scaled")
    return value * float(place["factor"] or 1) + float(place["summand"] or 0)


def _written(place: re.Match[str], intent: Intent) -> str:
    value = _value(place, intent)
    if place["decimals"] is None:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LookupError(f"{place['name']} is no number that can be rounded")
    return f"{value:.{place['decimals']}f}"
