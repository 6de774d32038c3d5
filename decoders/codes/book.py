"""The code book: what each item does in each step, as configuration.

A step is a flash (its marker says which), or a frame of a display whose codes begin at an onset and
go on at a rate. Either way the book says which items are on. Two items that do the same in every
step could never be told apart: such a book is refused, and the items are named.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from volition.decoders.codes import sequences
from volition.decoders.codes.sequences import BoolArray
from volition.decoders.contract.settings import FileName
from volition.errors import ConfigError

#: A book of more is a mistake, and would fill the memory.
MOST_ITEMS, MOST_STEPS = 256, 4096


class _Code(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RowsAndColumns(_Code):
    """A grid, filled row by row: its rows flash, then its columns."""

    kind: Literal["rowcol"] = "rowcol"
    columns: int = Field(ge=1, le=MOST_ITEMS)

    def steps(self, n_items: int) -> BoolArray:
        return sequences.rows_and_columns(n_items, self.columns)


class Checkerboard(_Code):
    """A grid in which no two neighbours flash together."""

    kind: Literal["checkerboard"] = "checkerboard"
    columns: int = Field(ge=1, le=MOST_ITEMS)

    def steps(self, n_items: int) -> BoolArray:
        return sequences.checkerboard(n_items, self.columns)


class Single(_Code):
    """Each item by itself, where it stands; a sound each, for who cannot look."""

    kind: Literal["single"] = "single"

    def steps(self, n_items: int) -> BoolArray:
        return sequences.one_at_a_time(n_items)


class Rsvp(_Code):
    """Each item by itself, all in the same place, one after the other."""

    kind: Literal["rsvp"] = "rsvp"

    def steps(self, n_items: int) -> BoolArray:
        return sequences.one_at_a_time(n_items)


class MSequence(_Code):
    """One sequence of maximal length, shifted for each item."""

    kind: Literal["m_sequence"] = "m_sequence"
    register_bits: int = Field(default=6, ge=3, le=10)

    def steps(self, n_items: int) -> BoolArray:
        return sequences.shifted_m_sequence(n_items, self.register_bits)


class ModulatedGold(_Code):
    """Modulated Gold codes: flashes of one or two frames (noise tags)."""

    kind: Literal["modulated_gold"] = "modulated_gold"
    register_bits: int = Field(default=6, ge=5, le=10)

    def steps(self, n_items: int) -> BoolArray:
        return sequences.modulated_gold_codes(n_items, self.register_bits)


class Matrix(_Code):
    """Any code: a text of 0 and 1 for each item, a digit a step."""

    kind: Literal["matrix"] = "matrix"
    rows: list[str] = Field(min_length=1, max_length=MOST_ITEMS)

    @field_validator("rows")
    @classmethod
    def _digits_of_one_length(cls, rows: list[str]) -> list[str]:
        wrong = [number for number, row in enumerate(rows, 1) if not row or set(row) - {"0", "1"}]
        if wrong:
            raise ValueError(f"row {wrong[0]} of the code must be a text of 0 and 1")
        if len({len(row) for row in rows}) > 1:
            raise ValueError(
                f"every row of the code must have as many steps; found {sorted({*map(len, rows)})}"
            )
        return rows

    def steps(self, n_items: int) -> BoolArray:
        return np.array([[digit == "1" for digit in row] for row in self.rows])


class CodeFile(_Code):
    """Any code, in a file: a line of 0 and 1 for each item."""

    kind: Literal["file"] = "file"
    path: FileName

    def steps(self, n_items: int) -> BoolArray:
        try:
            lines = Path(self.path).read_text("utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the code's file {self.path} cannot be read: {error}") from None
        try:
            return Matrix(rows=lines).steps(n_items)
        except ValueError as error:
            raise ConfigError(f"the code's file {self.path} is wrong: {error}") from None


Code = Annotated[
    RowsAndColumns | Checkerboard | Single | Rsvp | MSequence | ModulatedGold | Matrix | CodeFile,
    Field(discriminator="kind"),
]


class CodeBook(BaseModel):
    """The items and their codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[str] = Field(
        min_length=2, max_length=MOST_ITEMS, description="Label of each item that can be selected."
    )
    code: Code = Field(description="What each item does in each step.")

    @model_validator(mode="after")
    def _items_differ(self) -> CodeBook:
        twice = sorted({item for item in self.items if self.items.count(item) > 1})
        if twice or not all(self.items):
            raise ValueError(f"each item needs a label of its own; found twice or empty: {twice}")
        if self.code.kind != "file":  # a file is read when a session is prepared
            try:
                self.steps  # noqa: B018 - it checks them
            except ConfigError as error:
                raise ValueError(error.message) from None
        return self

    @functools.cached_property
    def steps(self) -> BoolArray:
        """Which items are on in each step, shape (n_items, n_steps).

        Raises
        ------
        ConfigError
            Two items have the same code, one is never on, or the code is for other items.
        """
        steps = self.code.steps(len(self.items))
        if len(steps) != len(self.items):
            raise ConfigError(
                f"the code has {len(steps)} rows for {len(self.items)} items",
                found=len(steps),
                allowed=len(self.items),
            )
        if steps.shape[1] > MOST_STEPS:
            raise ConfigError(
                f"the code has {steps.shape[1]} steps; at most {MOST_STEPS} are allowed",
                found=steps.shape[1],
                allowed=MOST_STEPS,
            )
        silent = [item for item, row in zip(self.items, steps, strict=True) if not row.any()]
        if silent:
            raise ConfigError(f"the items {', '.join(silent)} are never on", items=silent)
        first: dict[bytes, str] = {}
        for item, row in zip(self.items, steps, strict=True):
            twin = first.setdefault(row.tobytes(), item)
            if twin != item:
                raise ConfigError(
                    f"the items {twin!r} and {item!r} have the same code and cannot be told apart",
                    items=[twin, item],
                )
        return steps
