"""The patterns by which items flash: item by step, on or off.

Each function gives an array of truth values of shape ``(n_items, n_steps)``: one pass, which a
display repeats as often as it likes, in any order of steps where each step is a flash.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from volition.errors import ConfigError

BoolArray = npt.NDArray[np.bool_]

#: Taps of primitive polynomials over GF(2), by the register's length: x^n + ... + 1.
_TAPS: dict[int, tuple[int, ...]] = {
    3: (3, 1), 4: (4, 1), 5: (5, 2), 6: (6, 1), 7: (7, 1), 8: (8, 6, 5, 4), 9: (9, 4),
    10: (10, 3),
}  # fmt: skip
#: Preferred pairs, whose sums are Gold codes (Gold, IEEE Trans. Inf. Theory 13:619, 1967).
_PAIRS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    5: ((5, 2), (5, 4, 3, 2)),
    6: ((6, 1), (6, 5, 2, 1)),
    7: ((7, 3), (7, 3, 2, 1)),
    9: ((9, 4), (9, 6, 4, 3)),
    10: ((10, 3), (10, 8, 3, 2)),
}


def rows_and_columns(n_items: int, n_columns: int) -> BoolArray:
    """Give a step for each row of a grid and then one for each column."""
    places = np.arange(n_items)
    n_rows = math.ceil(n_items / n_columns)
    rows = places[:, None] // n_columns == np.arange(n_rows)
    columns = places[:, None] % n_columns == np.arange(min(n_columns, n_items))
    return np.concatenate([rows, columns], axis=1)


def checkerboard(n_items: int, n_columns: int) -> BoolArray:
    """Give steps in which no two neighbours of a grid flash together.

    The white and the black squares of the grid are laid out as two smaller grids, whose rows flash
    and then whose columns (Townsend et al., Clin. Neurophysiol. 121:1109, 2010).
    """
    places = np.arange(n_items)
    is_black = (places // n_columns + places % n_columns) % 2 == 1
    groups = [np.flatnonzero(is_black == colour) for colour in (False, True)]
    side = max(1, math.ceil(math.sqrt(max(len(group) for group in groups))))
    steps = []
    for along in (np.floor_divide, np.mod):
        for group in groups:
            line = along(np.arange(len(group)), side)
            for number in range(int(line.max()) + 1 if len(line) else 0):
                step = np.zeros(n_items, dtype=bool)
                step[group[line == number]] = True
                steps.append(step)
    return np.array(steps).T


def one_at_a_time(n_items: int) -> BoolArray:
    """Give a step for each item, in which it is the only one."""
    return np.eye(n_items, dtype=bool)


def m_sequence(length: int, taps: tuple[int, ...] | None = None) -> BoolArray:
    """Give a sequence of maximal length, ``2 ** length - 1`` bits, from a shift register.

    Raises
    ------
    ConfigError
        No polynomial of that length is known here.
    """
    taps = taps or _TAPS.get(length)
    if taps is None:
        raise ConfigError(
            f"no m-sequence of a register of {length} bits is known; allowed: "
            f"{', '.join(map(str, sorted(_TAPS)))}",
            found=length,
            allowed=sorted(_TAPS),
        )
    register = np.ones(length, dtype=bool)
    bits = np.empty(2**length - 1, dtype=bool)
    for number in range(len(bits)):
        bits[number] = register[-1]
        fed = np.logical_xor.reduce(register[[tap - 1 for tap in taps]])
        register[1:] = register[:-1].copy()
        register[0] = fed
    return bits


def shifted_m_sequence(n_items: int, length: int) -> BoolArray:
    """Give each item the same m-sequence, shifted by even parts of it (as usual for c-VEP)."""
    bits = m_sequence(length)
    if n_items > len(bits):
        raise ConfigError(
            f"an m-sequence of {len(bits)} bits has as many shifts; found {n_items} items",
            found=n_items,
            allowed=len(bits),
        )
    shifts = [round(number * len(bits) / n_items) for number in range(n_items)]
    return np.array([np.roll(bits, -shift) for shift in shifts])


def gold_codes(length: int) -> BoolArray:
    """Give the ``2 ** length + 1`` Gold codes of a register, shape (n_codes, 2 ** length - 1).

    Raises
    ------
    ConfigError
        No preferred pair of that length is known here.
    """
    pair = _PAIRS.get(length)
    if pair is None:
        raise ConfigError(
            f"no Gold codes of a register of {length} bits are known; allowed: "
            f"{', '.join(map(str, sorted(_PAIRS)))}",
            found=length,
            allowed=sorted(_PAIRS),
        )
    first, second = (m_sequence(length, taps) for taps in pair)
    sums = [first ^ np.roll(second, -shift) for shift in range(len(first))]
    return np.array([first, second, *sums])


def modulated(codes: BoolArray) -> BoolArray:
    """Give codes whose runs are of one or two bits: each bit doubled, times a clock of half a bit.

    So there are only short and long flashes (Thielen et al., PLoS ONE 10:e0133797, 2015).
    """
    doubled = np.repeat(codes, 2, axis=1)
    clock = np.arange(doubled.shape[1]) % 2 == 0
    result: BoolArray = doubled ^ clock
    return result


def modulated_gold_codes(n_items: int, length: int) -> BoolArray:
    """Give each item a modulated Gold code, ``2 * (2 ** length - 1)`` bits.

    Those are taken that are least alike at no shift, one after the other.
    """
    codes = modulated(gold_codes(length))
    if n_items > len(codes):
        raise ConfigError(
            f"there are {len(codes)} Gold codes of a register of {length} bits; found {n_items} "
            "items",
            found=n_items,
            allowed=len(codes),
        )
    signs = np.where(codes, 1.0, -1.0)
    alike = signs @ signs.T / codes.shape[1]
    chosen = [0]
    while len(chosen) < n_items:
        worst = alike[chosen].max(axis=0)
        worst[chosen] = np.inf
        chosen.append(int(worst.argmin()))
    return codes[chosen]
