"""Electrodes in words: where they sit, and what to do about a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from volition.streams.signal.electrodes import fault_in_words, place_in_words, row_of

GOOD: dict[str, Any] = {
    "label": "PO8",
    "flat": False,
    "saturated": False,
    "line_noise": 0.1,
    "rms": 12.0,
    "missing": 0.0,
    "impedance_kohm": None,
}


@pytest.mark.parametrize(
    ("label", "place"),
    [
        ("PO8", "right, back of the head"),
        ("Oz", "middle, back of the head, low"),
        ("fp1", "left, forehead"),
        ("T7", "left, above the ear"),
        ("Cz", "middle, top of the head"),
        ("M2", "right, behind the ear"),
        ("EEG 1", ""),
        ("", ""),
        ("X99", ""),
    ],
)
def test_a_label_is_a_place_on_the_head(label: str, place: str) -> None:
    assert place_in_words(label) == place


def test_rows_run_from_the_front_to_the_back() -> None:
    rows = [row_of(label) for label in ("Fp1", "F3", "Cz", "P4", "PO8", "Oz")]

    assert rows == sorted(rows, key=lambda row: -float(row or 0.0))
    assert row_of("battery") is None


@pytest.mark.parametrize(
    ("wrong", "found", "advice"),
    [
        ({"flat": True}, "no contact", "gel or water"),
        ({"saturated": True}, "amplifier's end", "reference"),
        ({"line_noise": 0.7}, "hum", "chargers"),
        ({"rms": 400.0}, "400 uV", "sit still"),
        ({"missing": 0.9}, "no samples", "charge"),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_do(
    wrong: dict[str, Any], found: str, advice: str
) -> None:
    said = fault_in_words({**GOOD, **wrong})

    assert said is not None
    assert found in said[0]
    assert advice in said[1]
    assert fault_in_words(GOOD) is None
