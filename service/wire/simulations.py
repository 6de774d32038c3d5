"""Simulated headsets and people, and what they are shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, FailFast, Field

from volition.service.wire.strictness import Answer, Request

SimulationKind = Literal["recording", "speller", "cursor", "flashes", "imagery"]


class SimulationBody(Request):
    """A headset or person to play."""

    kind: SimulationKind = Field(
        default="recording",
        description="A packaged recording of a person who looks at LEDs, or a simulated person in "
        "front of the speller, the cursor or items that flash, or who imagines movements, who is "
        "told what the screen shows.",
    )
    day: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Day on which the person who imagines movements sits there; the cap sits "
        "elsewhere on each, and where it should on day 0.",
    )


def _whole(value: object) -> object:
    """Give 1 for 1.0: to JSON Schema they are the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class GazeBody(Request):
    """What a simulated person looks at, or imagines."""

    target: Annotated[int, Field(strict=True, ge=0, le=39), BeforeValidator(_whole)] | None = Field(
        default=None,
        description="Index of the flicker, row by row, or of the movement; null for none.",
    )
    t: Annotated[float, Field(strict=True, ge=-1e12, le=1e12)] | None = Field(
        default=None,
        description="LSL time of the flicker's onset, from which its phase counts; now when left "
        "out or past.",
    )


_Centimetres = Annotated[float, Field(strict=True, ge=-1000, le=1000)]


_Place = tuple[_Centimetres, _Centimetres]


class SceneBody(Request):
    """Where things are on a simulated person's screen, centimetres right and up of its middle."""

    cursor: _Place
    target: _Place | None = None


_Item = Annotated[int, Field(strict=True, ge=0, le=255), BeforeValidator(_whole)]
_Time = Annotated[float, Field(strict=True, ge=-1e12, le=1e12)]


class FlashBody(Request):
    """A flash of items."""

    t: _Time = Field(description="LSL time, seconds.")
    items: Annotated[list[_Item], FailFast()] = Field(
        max_length=256, description="Places of the items that flash."
    )


class CodeShownBody(Request):
    """The attended item's code, from a moment on, again and again."""

    bits: Annotated[str, Field(strict=True, min_length=1, max_length=4096, pattern="^[01]+$")]
    t: _Time = Field(description="LSL time of its first step, seconds.")
    step_hz: Annotated[float, Field(strict=True, ge=1, le=240)] = 60.0
    lasts_s: Annotated[float, Field(strict=True, gt=0, le=60)] = 4.2


class FlashingBody(Request):
    """What flashes before a simulated person, and what of it they attend to."""

    attended: _Item | None = Field(default=None, description="Place of the item; null for none.")
    flashes: Annotated[list[FlashBody], FailFast()] = Field(default_factory=list, max_length=1000)
    code: CodeShownBody | None = None
    anew: bool = Field(
        default=False,
        strict=True,
        description="Leave out what was to flash later, as it was said before.",
    )


class SimulationView(Answer):
    """A simulated headset that plays."""

    id: str
    kind: SimulationKind
    about: str
    source_id: str = Field(
        description="source_id of its LSL stream; the marker stream of a recording has -markers "
        "added."
    )
    decoder: dict[str, Any] | None = Field(
        description="Settings of the decoder fitted to the person, for use in a session; null for "
        "none."
    )
    classes: list[str] = Field(
        description="Movements that the person can imagine, in the order of their indices."
    )


class SimulationList(Answer):
    simulations: list[SimulationView]
