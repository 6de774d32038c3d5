"""What a decoder's trials are: what a person is asked to do while it learns.

A decoder declares them (`volition.decoders.contract.decoder.Decoder.trials`), and whoever guides a
calibration, shows its cues or measures the decoder asks for the declaration: nobody else needs to
know the family that a decoder is of. A trial names

- a target (`TargetTrials`): something that is shown and can be selected, as a flicker;
- a class (`ClassTrials`): something to do or to imagine, as a movement of the left hand;
- a position (`PositionTrials`): where a cursor is to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HELP = "cursor_help"
"""Name of the event by which a guide helps a cursor, in a session of any decoder that moves one.

Its data: ``position`` of the target, ``attenuation``, the share of all movement across the line to
the target that is to be taken off, and ``until``, the LSL time at which that ends. Without data it
ends at once.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a trial can ask for.

    Attributes
    ----------
    label
        What a person is told.
    data
        The data of the event ``trial_start`` at its onset: what the calibration learns from.
    """

    label: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _ChoiceTrials:
    """Trials that ask for one of several choices.

    Attributes
    ----------
    choices
        In the order in which a guide and its clients number them.
    rest
        A trial in which none is asked for; None where the decoder learns nothing from one.
    """

    choices: tuple[Choice, ...]
    rest: Choice | None = None


@dataclass(frozen=True, slots=True)
class TargetTrials(_ChoiceTrials):
    """A trial names a target that is shown."""


@dataclass(frozen=True, slots=True)
class ClassTrials(_ChoiceTrials):
    """A trial names a class: something to do or to imagine; nothing need be shown but its name."""


@dataclass(frozen=True, slots=True)
class PositionTrials:
    """A trial names a position that a cursor is to reach.

    Attributes
    ----------
    workspace
        Lowest and highest coordinate of each dimension; None where the cursor has no edges.
    start
        Where the cursor begins; the middle of the workspace when None.
    unguidable
        Why the cursor cannot be guided while newer models take over, as a sentence; empty where it
        can: the decoder then is a `FittedDecoder` with ``refresh``, and heeds `HELP`.
    """

    workspace: tuple[tuple[float, float], ...] | None = None
    start: tuple[float, ...] | None = None
    unguidable: str = ""


Trials = TargetTrials | ClassTrials | PositionTrials
