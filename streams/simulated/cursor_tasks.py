"""Tasks for a cursor: which target is shown, when it counts as reached, and how good that was.

A `CursorTask` says what is asked for, a `TaskRun` is one go at it: shown where the cursor is from
moment to moment, it gives the target to aim at and notes how each trial went. Sizes are those of
the field, in centimetres: centre-out-and-back to eight targets, targets anywhere, a grid of squares
in which the cursor may also select a wrong one by staying, and Fitts' task with targets of several
sizes (Brandman et al., J. Neural Eng. 15:026007, 2018; Simeral et al. 2011 for the last). A target
counts as touched where the cursor's disc meets it, so the cursor's centre has the diameters of both
to be in: that is the width ``W`` of Fitts' index of difficulty ``log2(D / W + 1)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from volition.errors import ConfigError

TaskName = Literal["radial-8", "random", "grid", "fitts", "given"]
#: Those that need nothing given.
TASKS: tuple[TaskName, ...] = ("radial-8", "random", "grid", "fitts")

Point = tuple[float, float]

RADIUS_CM = 12.1
_CURSOR_CM = 1.5
_TARGET_CM = 2.4
_FITTS_CM = (1.6, 3.5, 5.6)
_GRID = 6


@dataclass(frozen=True, slots=True)
class CursorTarget:
    """A place to bring the cursor to.

    Attributes
    ----------
    position
        Its middle.
    reach
        The cursor's centre touches it from here: half the width.
    square
        Whether it is a square of that half width, and not a disc.
    """

    position: Point
    reach: float
    square: bool = False

    def holds(self, position: Point) -> bool:
        """Say whether a cursor there touches it."""
        dx, dy = position[0] - self.position[0], position[1] - self.position[1]
        if self.square:
            return max(abs(dx), abs(dy)) <= self.reach
        return math.hypot(dx, dy) <= self.reach


@dataclass(frozen=True, slots=True)
class CursorTask:
    """What is asked for.

    Attributes
    ----------
    name
        ``radial-8`` (centre-out-and-back), ``random``, ``grid`` or ``fitts``; ``given`` for the
        targets that are.
    hold_s
        How long the target must be touched without a break.
    timeout_s
        A trial that lasts longer has failed.
    places
        Targets of a task that gives them: each comes once a block, in an order of its own.
    home
        Where the cursor is asked to after each of them, in such a task; None for nowhere.
    """

    name: TaskName = "radial-8"
    hold_s: float = 0.3
    timeout_s: float = 5.0
    places: tuple[CursorTarget, ...] = ()
    home: CursorTarget | None = None

    def __post_init__(self) -> None:
        if self.name not in TASKS and not (self.name == "given" and self.places):
            raise ConfigError(
                f"no task is named {self.name!r}; allowed: {', '.join(TASKS)}",
                found=self.name,
                allowed=list(TASKS),
            )
        if not 0 < self.hold_s < self.timeout_s:
            raise ConfigError(
                f"a task needs 0 < hold_s < timeout_s; found {self.hold_s:g} and {self.timeout_s:g}"
            )

    def targets(self, seed: int) -> Iterator[CursorTarget]:
        """Give one target after the other, without end."""
        random = np.random.default_rng(seed)
        if self.name == "given":
            return _blocks(random, self.places, self.home)
        return {
            "radial-8": _radial,
            "random": _anywhere,
            "grid": _squares,
            "fitts": _sizes,
        }[self.name](random)

    def choices(self) -> tuple[CursorTarget, ...]:
        """Give every target that staying selects, right or wrong; none but for the grid."""
        return _grid_squares() if self.name == "grid" else ()


def usual_task(name: TaskName) -> CursorTask:
    """Give a task with the hold and the timeout that are usual for it."""
    hold_s, timeout_s = {
        "radial-8": (0.3, 5.0),
        "random": (0.3, 5.0),
        "grid": (1.0, 10.0),
        "fitts": (0.5, 10.0),
    }.get(name, (0.3, 5.0))
    return CursorTask(name, hold_s, timeout_s)


def _reach(target_cm: float) -> float:
    return (target_cm + _CURSOR_CM) / 2


def radial_targets(middle: Point = (0.0, 0.0), scale: float = 1.0) -> tuple[CursorTarget, ...]:
    """Give the eight targets around the middle of a screen that is ``scale`` times the usual."""
    x, y = middle
    angles = [2 * math.pi * number / 8 for number in range(8)]
    radius, reach = scale * RADIUS_CM, scale * _reach(_TARGET_CM)
    return tuple(
        CursorTarget((x + radius * math.cos(angle), y + radius * math.sin(angle)), reach)
        for angle in angles
    )


def _radial(random: np.random.Generator) -> Iterator[CursorTarget]:
    return _blocks(random, radial_targets(), CursorTarget((0.0, 0.0), _reach(_TARGET_CM)))


def _blocks(
    random: np.random.Generator, places: Sequence[CursorTarget], home: CursorTarget | None
) -> Iterator[CursorTarget]:
    while True:
        for number in random.permutation(len(places)):
            yield places[int(number)]
            if home is not None:
                yield home


def _anywhere(random: np.random.Generator) -> Iterator[CursorTarget]:
    while True:
        yield CursorTarget(_place(random), _reach(_TARGET_CM))


def _sizes(random: np.random.Generator) -> Iterator[CursorTarget]:
    while True:
        for size in random.permutation(_FITTS_CM):
            yield CursorTarget(_place(random), _reach(float(size)))


def _squares(random: np.random.Generator) -> Iterator[CursorTarget]:
    squares, before = _grid_squares(), -1
    while True:
        number = int(random.integers(len(squares)))
        if number != before:
            before = number
            yield squares[number]


def _place(random: np.random.Generator) -> Point:
    x, y = random.uniform(-RADIUS_CM, RADIUS_CM, 2)
    return float(x), float(y)


def _grid_squares() -> tuple[CursorTarget, ...]:
    side = 2 * RADIUS_CM / _GRID
    middles = [-RADIUS_CM + side * (number + 0.5) for number in range(_GRID)]
    return tuple(CursorTarget((x, y), side / 2, square=True) for y in middles for x in middles)


@dataclass(frozen=True, slots=True)
class CursorTrial:
    """How one trial went.

    Attributes
    ----------
    outcome
        ``hit``; ``timeout``; ``wrong`` where another square was selected.
    start_s, time_s
        When it began, and how long it lasted with the hold.
    distance, width
        From the cursor to the target when it was shown, and the target's width ``W``.
    path
        How far the cursor moved until it entered the target for good.
    entries
        How often the target was entered.
    """

    outcome: Literal["hit", "timeout", "wrong"]
    start_s: float
    time_s: float
    distance: float
    width: float
    path: float
    entries: int

    @property
    def hit(self) -> bool:
        return self.outcome == "hit"

    @property
    def bits(self) -> float:
        """Fitts' index of difficulty, ``log2(D / W + 1)``."""
        return math.log2(self.distance / self.width + 1)


@dataclass
class _Trial:
    """A trial under way."""

    target: CursorTarget
    start_s: float
    distance: float
    path: float = 0.0
    path_to_entry: float = 0.0
    entries: int = 0
    inside: bool = False
    touched: CursorTarget | None = None
    since_s: float = 0.0


@dataclass
class TaskRun:
    """One go at a task: `show` it the cursor, and aim at its `target`.

    Attributes
    ----------
    trials
        Those that have ended.
    """

    task: CursorTask
    seed: int = 0
    trials: list[CursorTrial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._targets = self.task.targets(self.seed)
        self._choices = self.task.choices()
        self._trial: _Trial | None = None
        self._cursor: Point | None = None

    @property
    def target(self) -> CursorTarget | None:
        """What is to be reached; None before the first `show`."""
        return None if self._trial is None else self._trial.target

    @property
    def inside(self) -> bool:
        """Whether the cursor touches the target."""
        return self._trial is not None and self._trial.inside

    def show(self, cursor: Point, time_s: float) -> CursorTrial | None:
        """Take where the cursor is at a moment; give the trial that this ends."""
        if self._trial is None:
            self._begin(cursor, time_s)
        trial = self._trial
        assert trial is not None
        if self._cursor is not None:
            trial.path += math.dist(self._cursor, cursor)
        self._cursor = cursor
        inside = trial.target.holds(cursor)
        if inside and not trial.inside:
            trial.entries += 1
            trial.path_to_entry = trial.path
        trial.inside = inside
        outcome = self._outcome(trial, cursor, time_s)
        if outcome is None:
            return None
        ended = CursorTrial(
            outcome,
            trial.start_s,
            time_s - trial.start_s,
            trial.distance,
            2 * trial.target.reach,
            trial.path_to_entry,
            trial.entries,
        )
        self.trials.append(ended)
        self._begin(cursor, time_s)
        return ended

    def _begin(self, cursor: Point, time_s: float) -> None:
        target = next(self._targets)
        while target.holds(cursor) and self.task.name not in ("radial-8", "given"):
            target = next(self._targets)  # a target that is touched at once is no task
        self._trial = _Trial(target, time_s, math.dist(cursor, target.position))

    def _outcome(
        self, trial: _Trial, cursor: Point, time_s: float
    ) -> Literal["hit", "timeout", "wrong"] | None:
        touched = trial.target if trial.inside else None
        if touched is None:
            touched = next((one for one in self._choices if one.holds(cursor)), None)
        if touched != trial.touched:
            trial.touched, trial.since_s = touched, time_s
        # The tolerance makes 0.3 s exactly fifteen bins of 0.02 s.
        if touched is not None and time_s - trial.since_s >= self.task.hold_s - 1e-6:
            return "hit" if touched == trial.target else "wrong"
        return "timeout" if time_s - trial.start_s >= self.task.timeout_s else None


def scores(trials: Sequence[CursorTrial], task: CursorTask) -> dict[str, Any]:
    """Give the figures by which cursors are compared.

    Returns
    -------
    dict
        ``trials``; ``success``, their share; ``time_to_target_s`` and ``path_efficiency`` (straight
        over actual way), means over the hits, hold included; ``entries``, of the hits;
        ``fitts_bits_per_s``: index of difficulty of the hits over the time of all trials, so that
        a failure costs its time and brings nothing; ``bit_rate_bits_per_s``: the grid's achieved
        bit rate ``log2(N − 1) max(right − wrong, 0) / t`` (Nuyujukian et al., IEEE TBME
        62:2178-2184, 2015), None for other tasks. None where there is nothing to average.
    """
    hits = [trial for trial in trials if trial.hit]
    total_s = sum(trial.time_s for trial in trials)
    n_choices = len(task.choices())
    wrong = sum(trial.outcome == "wrong" for trial in trials)
    # What a straight line must cover is the way to the edge, where the hold begins.
    straight = [min(1.0, (t.distance - t.width / 2) / t.path) for t in hits if t.path > 0]
    return {
        "trials": len(trials),
        "success": _mean([float(trial.hit) for trial in trials]),
        "time_to_target_s": _mean([trial.time_s for trial in hits]),
        "path_efficiency": _mean(straight),
        "entries": _mean([float(trial.entries) for trial in hits]),
        "fitts_bits_per_s": sum(trial.bits for trial in hits) / total_s if total_s else None,
        "bit_rate_bits_per_s": math.log2(n_choices - 1) * max(len(hits) - wrong, 0) / total_s
        if n_choices and total_s
        else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
