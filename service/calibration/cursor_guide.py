"""A cursor's calibration from nothing: targets one by one, newer models as they come, less help.

The rapid calibration of Brandman et al. (J. Neural Eng. 15:026007, 2018), for a session of any
decoder. A target is shown until the session's cursor has stayed in it or its time is up, and then
the next. Once in a few seconds everything so far is fitted, in the process that fits, and the
session told to decode by it. At first all that a decoder does across the line to the target is
taken off, and less and less from then on. Both are asked of the session by events of its signal
(`target`, `volition.decoders.contract.trials.HELP`), so clients have nothing to do but to show
what is told. Models on the way are kept in the registry only while the session may need them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from volition.chunk import Event
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import HELP, PositionTrials
from volition.decoders.registry import trials_of
from volition.errors import ConfigError, SessionError
from volition.models.manifest import Manifest, named_model
from volition.models.registry import NoModelError
from volition.service.calibration.interruption import GuideRefusedError, wait_until_running
from volition.service.sessions.named_models import model_registry
from volition.service.sessions.states import SessionState
from volition.service.supervision.hub import Closed, Subscription
from volition.service.supervision.model_choice import settings_for_manifest
from volition.service.supervision.session import Session
from volition.service.wire.calibrations import CursorPlan, GuidedPlan
from volition.service.worker.bus import Frame, IntentCode
from volition.streams.lsl.clock import local_clock
from volition.streams.simulated.cursor_participant import WORKSPACE_CM
from volition.streams.simulated.cursor_tasks import (
    CursorTarget,
    CursorTask,
    CursorTrial,
    Point,
    TaskRun,
    radial_targets,
)

TARGET = "target"
"""Name of the event that says where the cursor is to go."""

#: When no intent has come for this long, in seconds, the cursor counts as where it was.
_TICK_S = 0.1
#: Help is asked for again at every target and model, and ends this many seconds after the target's
#: own time limit.
_HELP_LASTS_S = 2.0
#: What more data would not mend.
_HOPELESS = ("cannot-be-calibrated", "flat-channel", "bad-channel", "bug")
#: Before the first model the cursor stands still: targets then change after this many seconds.
_STILL_S = 2.0
_UNIT_RADIUS = 0.08  # of a target, where none is given, in shares of the workspace's lesser side

Refit = Callable[[str, list[tuple[float, list[float]]], float], Awaitable[Mapping[str, Any]]]
"""Fits to the cursor's places and the last seconds of the signal, and keeps the model under a name:
what `volition.service.calibration.fitter` answers."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How help fades and when a newer model is due, in seconds since the beginning."""

    seconds: float = 180.0
    first_s: float = 12.0
    refresh_s: float = 3.0
    helped_s: float = 115.0

    def attenuation(self, passed_s: float) -> float:
        """Give the share that is taken off then."""
        return min(1.0, max(0.0, 1.0 - passed_s / self.helped_s))


@dataclass(eq=False)
class CursorGuide:
    """One guided calibration of a cursor.

    Parameters
    ----------
    session, model_name, decoder, plan
        What is calibrated, of which session, and how.
    refit
        Fits what there is so far, and keeps it under a name.
    say
        Told of every target: its number, the target, when it ends, and the trial once it has ended.
    went_on
        Told the share that has passed and what goes on.
    """

    session: Session
    model_name: str
    decoder: Settings
    plan: GuidedPlan
    refit: Refit
    say: Callable[[int, CursorTarget, float, CursorTrial | None], None]
    went_on: Callable[[float, str], None]
    moves: list[tuple[float, list[float]]] = field(default_factory=list)
    n_models: int = 0
    n_hits: int = 0

    def __post_init__(self) -> None:
        plan = self.plan.cursor
        assert plan is not None
        self._plan: CursorPlan = plan
        self.pace = pace_of(plan)
        self._task = task_of(self.decoder, self.plan)
        self._run = TaskRun(_in_short(self._task), seed=self.plan.seed)
        self._place = start_of(self.decoder)
        self._own: Settings | None = None  # what decodes, if it is of this making
        #: What the models on the way are kept as.
        self.name = f"{self.model_name[:40]}-on-the-way-{secrets.token_hex(3)}"
        self._why = "nothing was fitted yet"
        self._paused_s = 0.0
        self._paused_at: float | None = None

    async def run(self) -> None:
        """Guide to the end; the newest model decodes then.

        Raises
        ------
        GuideRefusedError
            The signal cannot be used, or somebody else changed what decodes.
        SessionError
            The session ended.
        """
        self._start = local_clock()
        listening = self.session.hub.subscribe(kinds=frozenset({IntentCode.CURSOR}))
        refreshing = asyncio.create_task(self._refresh())
        try:
            self._moved(self._place, self._start)
            while self.passed_s < self.pace.seconds:
                if refreshing.done():
                    refreshing.result()
                if self.session.state is not SessionState.RUNNING:
                    await self._pause()
                await self._next(listening)
            await refreshing
        finally:
            self.session.hub.unsubscribe(listening)
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError, SessionError):
                await refreshing
            with contextlib.suppress(SessionError):
                self.session.mark(Event(local_clock(), HELP, {}))

    async def undo(self) -> None:
        """Have the session decode by what it did before, if the newest change was made here."""
        if self._own is not None and self.session.config.decoder is self._own:
            await self.session.swap_back()

    def forget_models(self) -> None:
        """Remove the models on the way, but for one that still decodes."""
        use = None if self.session.state.final else named_model(self.session.config.decoder)
        for one in self._kept():
            if one.reference != use:
                self.session.forget(one.reference)
                model_registry().remove(one.name, one.version)

    def _kept(self) -> list[Manifest]:
        try:
            return model_registry().versions(self.name)
        except NoModelError:
            return []

    @property
    def passed_s(self) -> float:
        """Seconds of guidance so far; time stands still while there is no signal."""
        return self._guided_s(local_clock())

    def _guided_s(self, t: float) -> float:
        paused_s = 0.0 if self._paused_at is None else t - self._paused_at
        return t - self._start - self._paused_s - paused_s

    async def _pause(self) -> None:
        """Stand still until there is a signal; then ask for the same target again."""
        self._paused_at = local_clock()
        share = min(1.0, self.passed_s / self.pace.seconds)
        try:
            await wait_until_running(self.session, lambda why: self.went_on(share, why))
        finally:
            self._paused_s += local_clock() - self._paused_at
            self._paused_at = None
        self._show_target()

    @property
    def n_trials(self) -> int:
        return len(self._run.trials)

    def index_of(self, target: CursorTarget) -> int | None:
        """Give a target's place among the plan's; None for one between them."""
        places = self._run.task.places
        return places.index(target) if target in places else None

    async def _next(self, listening: Subscription) -> None:
        """Let the cursor move, or time pass."""
        try:
            async with asyncio.timeout(_TICK_S):
                item = await listening.next()
        except TimeoutError:
            if self.session.state.final:
                raise SessionError(
                    f"session {self.session.id} is {self.session.state}", state=self.session.state
                ) from None
            self._moved(self._place, local_clock())
            return
        if isinstance(item, Closed):
            raise SessionError(f"session {self.session.id}: {item.reason}")
        if isinstance(item, Frame) and item.intent_code is IntentCode.CURSOR:
            intent = json.loads(item.payload)
            if intent.get("position") is not None:
                x, y = intent["position"]
                self._moved((x, y), float(intent["t_sample"]))

    def _moved(self, place: Point, t_sample: float) -> None:
        self._place = place
        self.moves.append((t_sample, list(place)))
        before, now = self._run.target, local_clock()
        ended = self._run.show(place, self._guided_s(now))
        if ended is not None:
            assert before is not None
            self.n_hits += ended.hit
            self.say(self.n_trials, before, now, ended)
        if ended is not None or before is None:
            self._show_target()

    def _show_target(self) -> None:
        target, now = self._run.target, local_clock()
        assert target is not None
        data = {"position": list(target.position), "radius": target.reach}
        self._mark(Event(now, TARGET, data))
        self._help()
        self.say(self.n_trials + 1, target, now + self._run.task.timeout_s, None)
        self._went_on()

    def _went_on(self) -> None:
        share = min(1.0, self.passed_s / self.pace.seconds)
        attenuation = self.pace.attenuation(self.passed_s)
        self.went_on(
            share,
            f"target {self.n_trials + 1}, {self.n_hits} reached, {self.n_models} models, "
            f"{100 * attenuation:.0f} % of what goes astray taken off",
        )

    def _help(self) -> None:
        target, now = self._run.target, local_clock()
        assert target is not None
        data = {
            "position": list(target.position),
            "attenuation": self.pace.attenuation(self.passed_s),
            "until": now + self._plan.timeout_s + _HELP_LASTS_S,
        }
        self._mark(Event(now, HELP, data))

    def _mark(self, event: Event) -> None:
        # Without a worker there is nothing to mark; the next one is told at the next target.
        with contextlib.suppress(SessionError):
            self.session.mark(event)

    # -- newer models -------------------------------------------------------------------------

    async def _refresh(self) -> None:
        due = self.pace.first_s
        while due < self.pace.seconds:
            await self._until_guided(due)
            await self._take_up_newer()
            due = max(due + self.pace.refresh_s, self.passed_s)
        if not self.n_models:
            raise GuideRefusedError(
                f"{self.pace.seconds:g} s of guidance gave no model: {self._why}",
                reason="cannot-be-fitted",
            )

    async def _until_guided(self, passed_s: float) -> None:
        """Sleep until this many seconds of guidance have passed, and it does not stand still."""
        while True:
            left_s = passed_s - self.passed_s
            if left_s <= 0 and self._paused_at is None:
                return
            await asyncio.sleep(max(_TICK_S, left_s))

    async def _take_up_newer(self) -> None:
        answer = await self.refit(self.name, sorted(self.moves), local_clock() - self._start + 1.0)
        if "refused" in answer:
            refused = answer["refused"]
            self._why = refused["message"]
            reason = refused["fields"].get("reason", refused["code"])
            if reason in _HOPELESS:
                raise GuideRefusedError(self._why, reason=reason)
            return
        made = Manifest.model_validate(answer["made"])
        former = self.session.config.decoder
        if self._own is not None and former is not self._own:
            raise GuideRefusedError(
                f"what session {self.session.id} decodes by was changed while it was calibrated",
                reason="model-changed",
            )
        wanted = settings_for_manifest(self.session, made)
        await self.session.swap(wanted, remember=self._own is None)
        self._own, self._run.task = wanted, self._task
        self.n_models += 1
        self._help()  # the new decoder may be of another kind, which knows of none
        self._went_on()
        await asyncio.to_thread(self._prune)

    def _prune(self) -> None:
        # A worker that starts just now may have been told of the one before the newest.
        for old in self._kept()[2:]:
            model_registry().remove(old.name, old.version)


# -- what is asked for ------------------------------------------------------------------------


def pace_of(plan: CursorPlan) -> Pace:
    """Give a plan's times, with what it leaves open."""
    seconds = plan.seconds
    return Pace(
        seconds,
        plan.first_s if plan.first_s is not None else min(12.0, seconds / 4),
        plan.refresh_s,
        plan.helped_s if plan.helped_s is not None else 0.64 * seconds,
    )


def check_guidable(decoder: Settings, plan: GuidedPlan) -> None:
    """Raise `ConfigError` where a decoder moves no cursor that could be guided, or the plan is off.

    Raises
    ------
    ConfigError
        See above.
    """
    trials = _positions(decoder)
    if trials.unguidable:
        raise ConfigError(trials.unguidable)
    assert plan.cursor is not None
    pace = pace_of(plan.cursor)
    if not (pace.first_s < pace.seconds and pace.helped_s < pace.seconds):
        raise ConfigError(
            f"guided.cursor: first_s ({pace.first_s:g}) and helped_s ({pace.helped_s:g}) must be "
            f"below seconds ({pace.seconds:g})"
        )
    task_of(decoder, plan)


def _positions(decoder: Settings) -> PositionTrials:
    trials = trials_of(decoder)
    if not isinstance(trials, PositionTrials):
        raise ConfigError(
            f"guided.cursor is for decoders of movement; {decoder.kind} is none", found=decoder.kind
        )
    return trials


def _edges(trials: PositionTrials) -> tuple[Point, float]:
    """Give the middle of the workspace and half its lesser side."""
    if trials.workspace is None:
        return (0.0, 0.0), WORKSPACE_CM
    if len(trials.workspace) != 2:
        raise ConfigError(
            f"a guided cursor moves in 2 dimensions; the workspace has {len(trials.workspace)}"
        )
    (left, right), (low, high) = trials.workspace
    return ((left + right) / 2, (low + high) / 2), min(right - left, high - low) / 2


def start_of(decoder: Settings) -> Point:
    """Give where a decoder's cursor begins."""
    trials = _positions(decoder)
    if trials.start is not None:
        x, y = trials.start
        return x, y
    return _edges(trials)[0]


def task_of(decoder: Settings, plan: GuidedPlan) -> CursorTask:
    """Give the task of a guided calibration: the plan's targets, or centre-out-and-back to eight.

    Raises
    ------
    ConfigError
        A target has no position of two numbers.
    """
    assert plan.cursor is not None
    middle, half = _edges(_positions(decoder))
    hold_s, timeout_s = plan.cursor.hold_s, plan.cursor.timeout_s
    if plan.targets is None:
        places = radial_targets(middle, half / WORKSPACE_CM)
        return CursorTask("given", hold_s, timeout_s, places, CursorTarget(middle, places[0].reach))
    places = tuple(_target(data, half) for data in plan.targets)
    return CursorTask("given", hold_s, timeout_s, places)


def _in_short(task: CursorTask) -> CursorTask:
    return replace(task, timeout_s=max(2 * task.hold_s, min(task.timeout_s, _STILL_S)))


def _target(data: Mapping[str, Any], half: float) -> CursorTarget:
    try:
        x, y = (float(one) for one in data["position"])
        reach = float(data.get("radius", _UNIT_RADIUS * 2 * half))
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            "each of guided.targets needs a position of two numbers, and its radius if it is not "
            f"the usual one; found {dict(data)}"
        ) from None
    return CursorTarget((x, y), reach)
