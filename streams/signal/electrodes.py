"""Where an electrode of the 10-10 system sits, in rows and in words for whoever puts on the cap."""

from __future__ import annotations

import re
from typing import Any

#: The letters of a label: how far to the front the row lies, and what the place is called.
_ROWS = {
    "FP": (4.0, "forehead"),
    "AF": (3.0, "forehead, at the hairline"),
    "F": (2.0, "front of the head"),
    "FC": (1.0, "front of the head"),
    "FT": (1.0, "temple"),
    "C": (0.0, "top of the head"),
    "T": (0.0, "above the ear"),
    "CP": (-1.0, "top of the head, towards the back"),
    "TP": (-1.0, "behind the ear"),
    "P": (-2.0, "back of the head, high"),
    "PO": (-3.0, "back of the head"),
    "O": (-4.0, "back of the head, low"),
    "I": (-5.0, "nape of the neck"),
    "A": (-1.0, "ear lobe"),
    "M": (-1.0, "behind the ear"),
}
_LABEL = re.compile(r"([A-Za-z]+?)(z|\d{1,2})", re.IGNORECASE)


def row_of(label: str) -> float | None:
    """Give how far to the front an electrode sits, in rows from the vertex; None if unknown."""
    match = _LABEL.fullmatch(label.strip())
    found = _ROWS.get(match[1].upper()) if match else None
    return None if found is None else found[0]


def place_in_words(label: str) -> str:
    """Say where an electrode sits, as ``right, back of the head``; empty if that is not known."""
    match = _LABEL.fullmatch(label.strip())
    found = _ROWS.get(match[1].upper()) if match else None
    if match is None or found is None:
        return ""
    if match[2].lower() == "z":
        return f"middle, {found[1]}"
    return f"{'left' if int(match[2]) % 2 else 'right'}, {found[1]}"


def fault_in_words(channel: dict[str, Any]) -> tuple[str, str] | None:
    """Say what is wrong with a channel, and what to do; None where nothing is.

    Parameters
    ----------
    channel
        An entry of `volition.streams.signal.quality.SignalQuality.report`.
    """
    if channel["missing"] > 0.5:
        return "no samples", "charge the headset, move it closer to the receiver"
    if channel["flat"]:
        return "flat: no contact", "press it to the skin, add gel or water, check its cable"
    if channel["saturated"]:
        return "at the amplifier's end", "check the reference and ground, then press it to the skin"
    if channel["line_noise"] > 0.5:
        return "more hum than signal", "add gel or water; move chargers and mains cables away"
    if channel["rms"] > 150.0:
        return f"{channel['rms']:.0f} uV", "sit still; if it stays, press it to the skin"
    return None
