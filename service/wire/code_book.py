"""The code book of a session's decoder: what a screen flashes, and how it says so."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class CodeBookView(Answer):
    """The items of a decoder of coded items, and what each does in each step."""

    decoder: str = Field(description="Kind of the decoder.")
    items: list[str] = Field(description="Label of each item, in order of their places.")
    code: str = Field(description="Kind of the code, as the configuration names it.")
    columns: int | None = Field(description="Columns of the grid that the code is for, if it is.")
    steps: list[str] = Field(
        description="For each item a text of 0 and 1, a digit a step: whether it is on."
    )
    step_hz: float | None = Field(
        description="Steps follow the onset marker at this rate, unmarked; null where each "
        "step has its marker."
    )
    convention: str = Field(description="How flashes are marked.")
    onset_markers: list[str] = Field(description="Markers at which a selection begins.")
    end_markers: list[str] = Field(description="Markers at which no more flashes come.")
    min_s: float = Field(description="No selection comes sooner after the onset, seconds.")
    max_s: float = Field(
        description="No flash counts later after the onset, seconds; the answer comes when its "
        "signal has."
    )
    max_flashes: int = Field(description="Flashes of an item that count, at most.")
