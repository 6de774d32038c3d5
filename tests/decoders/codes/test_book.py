"""A code book says what each item does, and refuses what could never be read."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pydantic import ValidationError

from volition.chunk import Event
from volition.decoders.codes import sequences
from volition.decoders.codes.book import CodeBook
from volition.decoders.codes.markers import read_flash, was_asked
from volition.errors import ConfigError


def book(code: dict[str, Any], n_items: int = 36) -> CodeBook:
    items = [f"item {number}" for number in range(n_items)]
    return CodeBook.model_validate({"items": items, "code": code})


def test_two_items_of_the_same_code_are_named() -> None:
    with pytest.raises(ValidationError, match="'item 0' and 'item 2' have the same code"):
        book({"kind": "matrix", "rows": ["01", "10", "01"]}, 3)


def test_an_item_that_is_never_on_is_named() -> None:
    with pytest.raises(ValidationError, match="item 1 are never on"):
        book({"kind": "matrix", "rows": ["01", "00"]}, 2)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValidationError, match="as many steps"):
        book({"kind": "matrix", "rows": ["01", "100"]}, 2)


def test_a_code_for_other_items_is_refused() -> None:
    with pytest.raises(ValidationError, match="2 rows for 3 items"):
        book({"kind": "matrix", "rows": ["01", "10"]}, 3)


def test_a_code_may_stand_in_a_file(tmp_path: Any) -> None:
    path = tmp_path / "codes.txt"
    path.write_text("011\n101\n", "utf-8")

    found = book({"kind": "file", "path": str(path)}, 2)

    np.testing.assert_array_equal(found.steps, [[False, True, True], [True, False, True]])


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        book({"kind": "file", "path": "/nowhere/codes.txt"}, 2).steps  # noqa: B018 - it reads it


@hypothesis.given(n_items=st.integers(4, 80), columns=st.integers(2, 12))
def test_each_item_of_a_grid_flashes_with_its_row_and_with_its_column(
    n_items: int, columns: int
) -> None:
    steps = sequences.rows_and_columns(n_items, min(columns, n_items))

    assert (steps.sum(axis=1) == 2).all()
    assert len({row.tobytes() for row in steps}) == n_items


@hypothesis.given(n_items=st.integers(9, 90), columns=st.integers(3, 12))
def test_no_neighbours_of_a_checkerboard_flash_together(n_items: int, columns: int) -> None:
    steps = sequences.checkerboard(n_items, columns)

    assert (steps.sum(axis=1) == 2).all()
    assert len({row.tobytes() for row in steps}) == n_items
    for place in range(n_items - 1):
        if (place + 1) % columns:
            assert not (steps[place] & steps[place + 1]).any()
        if place + columns < n_items:
            assert not (steps[place] & steps[place + columns]).any()


@pytest.mark.parametrize("length", range(3, 11))
def test_an_m_sequence_is_as_unlike_its_own_shifts_as_can_be(length: int) -> None:
    signs = np.where(sequences.m_sequence(length), 1, -1)

    shifted = [int(signs @ np.roll(signs, shift)) for shift in range(1, len(signs))]

    assert {*shifted} == {-1}


@pytest.mark.parametrize("length", [5, 6, 7, 9])
def test_gold_codes_are_no_more_alike_than_their_bound(length: int) -> None:
    signs = np.where(sequences.gold_codes(length)[:6], 1, -1)
    bound = 2 ** ((length + 2) // 2) + 1

    for first in range(len(signs)):
        for second in range(first):
            spectrum = np.fft.fft(signs[first]) * np.conj(np.fft.fft(signs[second]))
            assert np.abs(np.fft.ifft(spectrum).real).max() <= bound + 1e-6


def test_a_modulated_code_has_flashes_of_one_and_two_bits_alone() -> None:
    for code in sequences.modulated_gold_codes(36, 6):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], code.astype(int), [0]])))
        assert {*np.diff(edges)[::2]} <= {1, 2}
        assert len(code) == 126


@pytest.mark.parametrize(
    ("convention", "name", "on"),
    [
        ("volition", "step 1", [2, 3]),
        ("volition", "items 0,3", [0, 3]),
        ("volition", "items", []),
        ("plain", "0", [0, 1]),
        ("unity", "p300,m,4,1,0,3", [0, 3]),
        ("unity", "p300,s,4,-1,2", [2]),
        ("bcipy", "item 2", [2]),
        ("mindaffect", '{"objIDs": [0, 1, 4], "objState": [1, 1, 0]}', [0]),
    ],
)
def test_each_convention_says_which_items_are_on(convention: Any, name: str, on: list[int]) -> None:
    flash = read_flash(name, book({"kind": "rowcol", "columns": 2}, 4), convention)

    assert flash is not None
    assert np.flatnonzero(flash.on).tolist() == on
    assert not flash.fault


@pytest.mark.parametrize("convention", ["volition", "plain", "unity", "bcipy", "mindaffect"])
@hypothesis.given(name=st.text(max_size=40))
def test_any_text_is_read_or_left_alone(convention: Any, name: str) -> None:
    read_flash(name, book({"kind": "rowcol", "columns": 2}, 4), convention)


@pytest.mark.parametrize("name", ["step 9", "items 7"])
def test_an_unknown_step_or_item_is_named(name: str) -> None:
    flash = read_flash(name, book({"kind": "rowcol", "columns": 2}, 4), "volition")

    assert flash is not None
    assert "unknown" in flash.fault
    assert not flash.on.any()


def test_a_marker_of_another_number_of_items_is_told() -> None:
    flash = read_flash("p300,m,16,1,0,3", book({"kind": "rowcol", "columns": 2}, 4), "unity")

    assert flash is not None
    assert "16 items" in flash.fault


def test_only_a_calibration_reads_what_was_asked_for() -> None:
    four = book({"kind": "rowcol", "columns": 2}, 4)

    assert was_asked(Event(0.0, "p300,m,4,1,0,1"), four, "unity") is True
    assert was_asked(Event(0.0, "p300,m,4,1,0,2"), four, "unity") is False
    assert was_asked(Event(0.0, "p300,m,4,-1,0,2"), four, "unity") is None
    assert was_asked(Event(0.0, "step 1", {"target": True}), four, "volition") is True
