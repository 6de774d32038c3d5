"""Where the electrodes of the 10-20 system and its extensions lie on a sphere.

The midline runs from Fpz over the vertex to Oz in steps of 22.5 degrees, the ring from Fpz through
T7 to Oz in steps of 18; each row between lies on the circle through its two ends on the ring and
its middle, in equal steps of arc, as the system divides the head (Jurcak et al., NeuroImage
34:1600, 2007, with the head as a sphere). x points to the right ear, y to the nose, z up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from volition.chunk import FloatArray

#: Each row's name, its angle from the vertex along the midline, and its left end's on the ring.
_ROWS = {
    "AF": (67.5, 36.0),
    "F": (45.0, 54.0),
    "FC": (22.5, 72.0),
    "C": (0.0, 90.0),
    "CP": (-22.5, 108.0),
    "P": (-45.0, 126.0),
    "PO": (-67.5, 144.0),
}
#: The old names of four electrodes, and what the ends of two rows are called.
_OLD = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_ENDS = {"FC": "FT", "C": "T", "CP": "TP"}


def _ring(angle_deg: float) -> FloatArray:
    """Give the point of the ring at an angle from Fpz, to the left."""
    angle = np.radians(angle_deg)
    return np.array([-np.sin(angle), np.cos(angle), 0.0])


def _row(middle_deg: float, end_deg: float, steps: int) -> FloatArray:
    """Give the points from the left end to the right one: (2 steps + 1, 3)."""
    angle = np.radians(middle_deg)
    middle = np.array([0.0, np.sin(angle), np.cos(angle)])
    left, right = _ring(end_deg), _ring(-end_deg)
    # The three lie in a plane, symmetric about x = 0: a circle about a centre in x = 0.
    base = (left + right) / 2
    half, rise = float(left[0]), float(np.linalg.norm(middle - base))
    up = (middle - base) / rise
    radius = (half**2 + rise**2) / (2 * rise)
    centre = base + up * (rise - radius)
    reach = np.arctan2(-half, float((base - centre) @ up))
    turns = np.linspace(-reach, reach, 2 * steps + 1)[:, None]
    points: FloatArray = centre + radius * (
        np.sin(turns) * np.array([1.0, 0.0, 0.0]) + np.cos(turns) * up
    )
    return points


@functools.cache
def positions() -> dict[str, FloatArray]:
    """Give every known electrode's place on the unit sphere, by its label in capitals."""
    found: dict[str, FloatArray] = {}
    for row, (middle_deg, end_deg) in _ROWS.items():
        points = _row(middle_deg, end_deg, 4)
        names = ["7", "5", "3", "1", "z", "2", "4", "6", "8"]
        for name, point in zip(names, points, strict=True):
            prefix = _ENDS.get(row, row) if name in "78" else row
            found[(prefix + name).upper()] = point
    for label, angle_deg in (("FP1", 18), ("FPZ", 0), ("FP2", -18), ("O1", 162), ("OZ", 180)):
        found[label] = _ring(angle_deg)
    found["O2"] = _ring(-162)
    for old, new in _OLD.items():
        found[old] = found[new]
    return found


def from_above(label: str) -> tuple[float, float] | None:
    """Give an electrode's place on a head seen from above; None where the label is not known.

    x is right and y forward of the vertex; the distance is that over the scalp, 1 at the ring
    through Fpz and Oz.
    """
    place = positions().get(label.upper())
    if place is None:
        return None
    x, y, z = place.tolist()
    along = math.hypot(x, y)
    distance = math.acos(min(1.0, max(-1.0, z))) / (math.pi / 2)
    return (distance * x / along, distance * y / along) if along > 0 else (0.0, 0.0)


def find_positions(labels: Sequence[str]) -> FloatArray:
    """Give the electrodes' places on the unit sphere (n, 3); NaN where a label is not known."""
    known = positions()
    unknown = np.full(3, np.nan)
    return np.array([known.get(label.upper(), unknown) for label in labels]).reshape(-1, 3)
