"""A simulated participant who moves a cursor by intending to: for closing the loop with nobody.

The person sees the cursor after the delay of vision, reckons on from there by what they have
intended since, and intends a velocity towards the target that falls with the distance: an error of
the decoder's is corrected as they come to see it (after the feedback policies that Willett et al.,
J. Neural Eng. 14:016001, 2017, found in people). A new target is taken up after a time of reaction.
What is intended modulates a population of units by the cosine of the angle to each one's preferred
direction, times speed (Georgopoulos et al., J. Neurosci. 2:1527-1537, 1982), on a baseline that
drifts; units fall silent one by one if they are made to. Noise comes to each unit alone and to
many at once, and units are tuned otherwise while a cursor is only watched, for which reason Gilja
et al. (Nat. Neurosci. 15:1752-1757, 2012) fit anew to what was steered. A cursor that drifts is
leaned against, by little. Without these one decoder is as good as another. Everything follows
from the seed. Left out is learning of the decoder by the person.

`CursorSitting` joins a person and a task on a screen, bin by bin, and knows nothing of time but
what it is told, so that it runs in a test as fast as the decoder does and in a process of its own
in step with the clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError
from volition.streams.simulated.cursor_tasks import (
    RADIUS_CM,
    CursorTask,
    CursorTrial,
    Point,
    TaskRun,
)

#: Half the side of the square that the cursor stays in: the outermost target and some margin.
WORKSPACE_CM = RADIUS_CM + 4.0


#: Sources of the noise that units share, and how long it lasts: as long as a movement's beginning,
#: so that a filter cannot take it for anything but movement.
_N_SHARED, _SHARED_S = 4, 0.2


@dataclass(frozen=True, slots=True)
class CursorParticipant:
    """A person who can be asked to move a cursor.

    Attributes
    ----------
    seed
        Who it is: preferred directions and depths; and what happens in a sitting.
    n_units
        Size of the population.
    bin_s
        Time from one vector of features to the next.
    depth
        Least and largest modulation of a unit at full speed, in SD of its noise over a whole
        circle of directions.
    drift_per_min
        SD that the baselines wander by within a minute, in SD of the noise.
    silent_per_min
        Share of the units that falls silent in a minute.
    speed_cm_s
        The largest speed that is intended.
    slowing_s
        The intended speed is the distance over this time, up to the largest.
    vision_s, reaction_s
        Delay of vision, and, on top, the time until a new target is taken up.
    lean_s, lean_cm_s
        A cursor that goes elsewhere than was meant is leaned against: within about the first, and
        by at most the second, which comes on top of what is intended.
    shared_noise
        SD of noise that comes to all units at once, each in its own measure, in SD of their own
        noise, and lasts for some tenths of a second.
    other_tuning_rad
        SD of the angle by which preferred directions are others while a cursor is only watched.
    """

    seed: int = 0
    n_units: int = 40
    bin_s: float = 0.02
    depth: tuple[float, float] = (0.15, 0.8)
    drift_per_min: float = 0.05
    silent_per_min: float = 0.0
    speed_cm_s: float = 20.0
    slowing_s: float = 0.3
    vision_s: float = 0.12
    reaction_s: float = 0.1
    lean_s: float = 1.0
    lean_cm_s: float = 3.0
    shared_noise: float = 0.6
    other_tuning_rad: float = 0.4

    def __post_init__(self) -> None:
        if self.n_units < 2 or not (self.bin_s > 0 and self.speed_cm_s > 0 and self.slowing_s > 0):
            raise ConfigError(
                "a participant needs at least 2 units, and times and a speed above 0; found "
                f"{self.n_units}, {self.bin_s:g}, {self.slowing_s:g} and {self.speed_cm_s:g}"
            )

    def spec(self) -> SignalSpec:
        """Give the rate and the features of the stream."""
        n_units = self.n_units
        labels = tuple(f"unit{number}" for number in range(1, n_units + 1))
        return SignalSpec(1 / self.bin_s, labels, ("none",) * n_units, ("FEATURE",) * n_units)

    def sit(self, sitting: int = 0) -> Population:
        """Give their neurons on some day; another number is another day's noise."""
        return Population(self, sitting)


class Population:
    """The units of a person in one sitting: intended velocities in, features out.

    Attributes
    ----------
    preferred, depth : ndarray, shape (n_units,)
        Preferred direction in radians, and modulation.
    """

    def __init__(self, participant: CursorParticipant, sitting: int) -> None:
        self._person = participant
        random = np.random.default_rng([participant.seed, 0])
        n_units = participant.n_units
        self.preferred: FloatArray = random.uniform(0, 2 * np.pi, n_units)
        self.depth: FloatArray = random.uniform(*participant.depth, n_units)
        self._baseline: FloatArray = random.uniform(1.0, 4.0, n_units)
        self._tuning = self._tuned(self.preferred)
        turned = participant.other_tuning_rad * random.standard_normal(n_units)
        self._watched_tuning = self._tuned(self.preferred + turned)
        self._shares = random.standard_normal((n_units, _N_SHARED)) / math.sqrt(_N_SHARED)
        self._shared = np.zeros(_N_SHARED)
        self._random = np.random.default_rng([participant.seed, 1, sitting])
        self._step = participant.drift_per_min * math.sqrt(participant.bin_s / 60)
        self._loss = participant.silent_per_min * participant.bin_s / 60
        self._offset = np.zeros(n_units)
        self._heard = np.ones(n_units)

    @property
    def best_unit(self) -> int:
        """Index of the unit that is modulated most."""
        return int(self.depth.argmax())

    def disturb(self, unit: int, offset_sd: float) -> None:
        """Add this many SD of a unit's own variation to everything that it says from now on."""
        spread = math.sqrt(1.0 + float(self.depth[unit]) ** 2)
        self._offset[unit] += offset_sd * spread

    def _tuned(self, preferred: FloatArray) -> FloatArray:
        axes = np.column_stack([np.cos(preferred), np.sin(preferred)])
        tuning: FloatArray = math.sqrt(2) * self.depth[:, None] * axes / self._person.speed_cm_s
        return tuning

    def bin(self, intended: Point, *, watching: bool = False) -> FloatArray:
        """Give the features of the next bin, in SD of the noise, shape (n_units,)."""
        random, n_units = self._random, len(self.depth)
        self._baseline += self._step * random.standard_normal(n_units)
        if self._loss:
            self._heard[random.random(n_units) < self._loss] = 0.0
        tuning = self._watched_tuning if watching else self._tuning
        modulated = self._baseline + tuning @ np.array(intended)
        if self._person.shared_noise:
            keep = math.exp(-self._person.bin_s / _SHARED_S)
            fresh = math.sqrt(1 - keep**2) * self._person.shared_noise
            self._shared = keep * self._shared + fresh * random.standard_normal(_N_SHARED)
            modulated += self._shares @ self._shared
        features: FloatArray = self._heard * modulated + random.standard_normal(n_units)
        features += self._offset
        return features


class Intention:
    """What a person means from bin to bin, by what the screen shows.

    Parameters
    ----------
    participant
        Who looks at it.
    """

    def __init__(self, participant: CursorParticipant) -> None:
        self._person = participant
        delay = round(participant.vision_s / participant.bin_s)
        self._seen: deque[Point] = deque([(0.0, 0.0)] * (delay + 1), maxlen=delay + 1)
        self._meant: deque[Point] = deque([(0.0, 0.0)] * delay, maxlen=delay)
        self._aim: Point | None = None
        self._aim_shown_s = -math.inf
        self._aimed_at: Point | None = None
        self._lean: Point = (0.0, 0.0)

    def towards(self, target: Point | None, cursor: Point, time_s: float) -> Point:
        """Give the velocity that is meant in a bin; ``target`` is None where nothing is asked."""
        person = self._person
        before = self._seen[0]
        self._seen.append(cursor)
        if target != self._aim:
            self._aim, self._aim_shown_s = target, time_s
        if time_s - self._aim_shown_s >= person.vision_s + person.reaction_s - 1e-6:
            self._aimed_at = target
        intended = (0.0, 0.0)
        if self._aimed_at is not None:
            # Where the cursor was seen, and what has been meant since, which will have moved it.
            x = self._seen[0][0] + person.bin_s * sum(v[0] for v in self._meant)
            y = self._seen[0][1] + person.bin_s * sum(v[1] for v in self._meant)
            dx, dy = self._aimed_at[0] - x, self._aimed_at[1] - y
            speed = math.hypot(dx, dy) / person.slowing_s
            share = min(1.0, person.speed_cm_s / speed) if speed else 0.0
            intended = (share * dx / person.slowing_s, share * dy / person.slowing_s)
        self._lean_against(before)
        self._meant.append(intended)
        return intended[0] + self._lean[0], intended[1] + self._lean[1]

    def _lean_against(self, before: Point) -> None:
        """Push back, by little, where the cursor went elsewhere than was meant."""
        person, now = self._person, self._seen[0]
        meant = self._meant[0] if self._meant else (0.0, 0.0)
        x, y = (
            lean - (person.bin_s / person.lean_s) * ((new - old) / person.bin_s - wanted)
            for lean, new, old, wanted in zip(self._lean, now, before, meant, strict=True)
        )
        size = math.hypot(x, y)
        share = min(1.0, person.lean_cm_s / size) if size else 0.0
        self._lean = (share * x, share * y)


@dataclass(frozen=True, slots=True)
class SittingBin:
    """What happened in a bin: what was felt, shown and meant.

    Attributes
    ----------
    time_s
        When.
    features : ndarray, shape (n_units,)
        What the population said.
    intended
        Velocity that the person meant, which no decoder knows.
    velocity, position, target
        What the screen showed: the cursor's velocity and place, and where it was to go.
    held
        Whether the cursor was within the target.
    """

    time_s: float
    features: FloatArray = field(repr=False)
    intended: Point
    velocity: Point
    position: Point
    target: Point
    held: bool


class CursorSitting:
    """A person before a screen: `bin` gives what they say, `move` moves the cursor they see.

    Parameters
    ----------
    participant
        Who sits there.
    task
        What they are asked to do.
    sitting
        Number of the day, and seed of the task.

    Attributes
    ----------
    watching
        Whether the cursor moves by itself, as the person means it to, and no decoder is heeded: an
        open loop.
    asked
        Where somebody else asks the cursor to go; the task waits meanwhile. None for nobody.
    """

    def __init__(
        self, participant: CursorParticipant, task: CursorTask, *, sitting: int = 0
    ) -> None:
        self.participant = participant
        self.population = participant.sit(sitting)
        self.run = TaskRun(task, seed=1000 * participant.seed + sitting)
        self.watching = False
        self.asked: Point | None = None
        self.position: Point = (0.0, 0.0)
        self.velocity: Point = (0.0, 0.0)
        self._intention = Intention(participant)

    @property
    def trials(self) -> list[CursorTrial]:
        """Trials that have ended."""
        return self.run.trials

    def bin(self, time_s: float) -> SittingBin:
        """Let a bin pass that ends at ``time_s``; give what the population says in it."""
        target = self.asked
        if target is None:
            self.run.show(self.position, time_s)
            assert self.run.target is not None
            target = self.run.target.position
        intended = self._intention.towards(target, self.position, time_s)
        features = self.population.bin(intended, watching=self.watching)
        if self.watching:
            self._go(intended)
        return SittingBin(
            time_s, features, intended, self.velocity, self.position, target, self.run.inside
        )

    def move(self, velocity: Point, position: Point | None = None) -> None:
        """Move the cursor as decoded for a bin.

        Parameters
        ----------
        velocity
            Centimetres a second.
        position
            Where the decoder has the cursor; summed up from the velocity where it is left out.
        """
        if self.watching:
            return
        if position is not None:
            self.velocity, self.position = velocity, position
            return
        self._go(velocity)

    def _go(self, velocity: Point) -> None:
        bin_s = self.participant.bin_s
        x, y = (
            min(max(p + bin_s * v, -WORKSPACE_CM), WORKSPACE_CM)
            for p, v in zip(self.position, velocity, strict=True)
        )
        self.velocity, self.position = velocity, (x, y)
