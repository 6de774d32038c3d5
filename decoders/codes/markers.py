"""How programs mark their flashes, and what such a marker says: which items are on.

A decoder that runs reads a marker's name alone. The conventions:

- ``volition``: ``step 5`` is step 5 of the code book, counted from 0; ``items 0,6,12`` are the
  items that are on, by their place in the book; ``items`` alone turns all off.
- ``unity``: what Unity programs of the bci-essentials family send, ``p300,m,16,3,0,4,8`` (several
  items flash; 16 items, 3 is asked for, 0, 4 and 8 are on) or ``p300,s,16,3,8`` (one flashes). What
  was asked for (-1 while nothing is) is read by a calibration alone.
- ``bcipy``: the marker is the label of the one item that is shown; other texts (prompt, fixation)
  are no flash.
- ``mindaffect``: a frame as JSON, ``{"objIDs": [...], "objState": [...]}``: each object's state;
  object 0, which is the answer in a calibration, is never read by a decoder that runs. The number
  of an object is the place of its item, from 1.
- ``plain``: the name is the step's number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from volition.chunk import Event
from volition.decoders.codes.book import CodeBook
from volition.decoders.codes.sequences import BoolArray

Convention = Literal["volition", "unity", "bcipy", "mindaffect", "plain"]

_STEP = re.compile(r"step (\d+)")
_ITEMS = re.compile(r"items((?: ?\d+,?)*)")
_UNITY = re.compile(r"p300,[ms],(\d+),(-?\d+)((?:,\d+)*)")


class Flash(NamedTuple):
    """What a marker says.

    Attributes
    ----------
    on : ndarray of bool, shape (n_items,)
        Which items are on; all off where ``fault`` says something.
    step
        Number of the step, where the marker names one.
    fault
        What is wrong with it, as a sentence; empty where nothing is.
    """

    on: BoolArray
    step: int | None = None
    fault: str = ""


def read_flash(name: str, book: CodeBook, convention: Convention) -> Flash | None:
    """Read a marker's name; None for one that marks no flash."""
    return _READERS[convention](name, book)


def _of_step(number: int, book: CodeBook) -> Flash:
    n_steps = book.steps.shape[1]
    if number >= n_steps:
        nothing = np.zeros(len(book.items), dtype=bool)
        return Flash(
            nothing, None, f"unknown step {number}: the code book has steps 0 to {n_steps - 1}"
        )
    return Flash(book.steps[:, number], number)


def _of_items(places: list[int], book: CodeBook) -> Flash:
    on = np.zeros(len(book.items), dtype=bool)
    unknown = [place for place in places if not 0 <= place < len(on)]
    if unknown:
        return Flash(
            on, None, f"unknown item {unknown[0]}: the code book has items 0 to {len(on) - 1}"
        )
    on[places] = True
    return Flash(on)


def _volition(name: str, book: CodeBook) -> Flash | None:
    if step := _STEP.fullmatch(name):
        return _of_step(int(step[1]), book)
    if items := _ITEMS.fullmatch(name):
        return _of_items([int(place) for place in re.findall(r"\d+", items[1])], book)
    return None


def _plain(name: str, book: CodeBook) -> Flash | None:
    return _of_step(int(name), book) if name.isdecimal() and name.isascii() else None


def _unity(name: str, book: CodeBook) -> Flash | None:
    told = _UNITY.fullmatch(name)
    if told is None:
        return None
    n_items = int(told[1])
    if n_items != len(book.items):
        nothing = np.zeros(len(book.items), dtype=bool)
        return Flash(
            nothing, None, f"a marker of {n_items} items, and the code book has {len(book.items)}"
        )
    return _of_items([int(place) for place in told[3].split(",") if place], book)


def _bcipy(name: str, book: CodeBook) -> Flash | None:
    return _of_items([book.items.index(name)], book) if name in book.items else None


def _mindaffect(name: str, book: CodeBook) -> Flash | None:
    if not name.startswith("{") or "objState" not in name:
        return None
    try:
        told = json.loads(name)
        states = dict(zip(told["objIDs"], told["objState"], strict=True))
        places = [int(number) - 1 for number, state in states.items() if number and state]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return _of_items(places, book)


_READERS: dict[Convention, Callable[[str, CodeBook], Flash | None]] = {
    "volition": _volition,
    "unity": _unity,
    "bcipy": _bcipy,
    "mindaffect": _mindaffect,
    "plain": _plain,
}


def was_asked(event: Event, book: CodeBook, convention: Convention) -> bool | None:
    """Say whether a flash of a calibration held what was asked for; None where it does not say.

    Its data may say so themselves, ``{"target": true}``; so does a marker of Unity's, and the
    object 0 of MindAffect's frames.
    """
    told = event.data.get("target")
    if isinstance(told, bool):
        return told
    if convention == "unity" and (match := _UNITY.fullmatch(event.name)):
        wanted = int(match[2])
        places = [int(place) for place in match[3].split(",") if place]
        return wanted in places if 0 <= wanted < len(book.items) else None
    return None
