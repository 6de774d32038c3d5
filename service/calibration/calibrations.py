"""Calibrations of running sessions: asked for, followed, cancelled; each gives a model or a reason.

    guiding ──> collecting ──> fitting ──> swapping ──> done
    (cues)      (the signal     (a process   (if asked)   or, from any: refused | cancelled
                 of the worker)  of its own)

A guided one first asks for trials: each cue goes to every client of the socket before its onset,
and the onset into the session's signal as a marker; a cursor is guided by
`volition.service.calibration.cursor_guide`, which has the session decode by newer and newer models
meanwhile. Then the worker's signal is copied, a piece a turn of its loop, and fitted at the lowest
priority in a process of its own (`volition.service.calibration.fitter`), so that the session that
is calibrated goes on as ever. One at a time is made for a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from volition.chunk import Event
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import Choice, ClassTrials, TargetTrials
from volition.decoders.registry import trials_of
from volition.errors import ConfigError, SessionError, VolitionError
from volition.models.manifest import Manifest
from volition.service.calibration.cursor_guide import CursorGuide, check_guidable
from volition.service.calibration.fitter import FitJob, Fitters, check_trainable, settings_fields
from volition.service.calibration.interruption import until, wait_until_running
from volition.service.sessions.folders import models_folder, recordings_folder
from volition.service.supervision.model_choice import changed_settings, settings_for_manifest
from volition.service.supervision.session import Session
from volition.service.wire.calibrations import CalibrationRefusal, CalibrationState, CalibrationView
from volition.service.wire.messages import CalibrationMessage, CueMessage
from volition.service.wire.served import CalibrationBody
from volition.service.worker.bus import IntentCode
from volition.streams.files.recording import TRIAL_START
from volition.streams.lsl.clock import local_clock
from volition.streams.simulated.cursor_tasks import CursorTarget, CursorTrial

log = structlog.get_logger()

TRIAL_END = "trial_end"
"""Name of the event at which a guided trial ends."""

#: Time to wait for the last trial's samples, in seconds.
_SETTLE_S = 0.5
#: A marker of the announced moment may differ from it by so much.
_SAME_TIME_S = 1e-3
#: The trials' share of the progress of a guided calibration; the fit is the rest.
_GUIDED_SHARE = 0.5
#: The same for a cursor, whose models are fitted during the trials.
_CURSOR_SHARE = 0.95
_MOST_KEPT, _MOST_SESSIONS = 50, 300


@dataclass(frozen=True, slots=True)
class _Asked:
    """One trial that a guided calibration asks for; ``target`` numbers its choice, None at rest."""

    target: int | None
    label: str
    data: dict[str, Any]

    @classmethod
    def of(cls, choice: Choice, target: int | None = None) -> _Asked:
        return cls(target, choice.label, dict(choice.data))


@dataclass(eq=False)
class Calibration:
    """One calibration."""

    id: str
    session: Session
    body: CalibrationBody
    decoder: Settings
    state: CalibrationState = "collecting"
    step: str = "made"
    progress: float = 0.0
    asked: list[_Asked] = field(default_factory=list)
    n_done: int = 0
    #: From the cue of each trial that was cut short to its end: it is asked for again.
    given_up: list[tuple[float, float]] = field(default_factory=list)
    guide: CursorGuide | None = None
    started_utc: float = field(default_factory=time.time)
    ended_utc: float | None = None
    model: Manifest | None = None
    swapped: dict[str, Any] | None = None
    refusal: CalibrationRefusal | None = None
    task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        return self.ended_utc is not None

    def view(self) -> CalibrationView:
        """Show it as the API does."""
        return CalibrationView.model_validate(
            {
                "id": self.id,
                "session": self.session.id,
                "name": self.body.name,
                "source": self.body.source,
                "state": self.state,
                "step": self.step,
                "progress": self.progress,
                "trials_done": self.n_done,
                "trials": len(self.asked),
                "hits": 0 if self.guide is None else self.guide.n_hits,
                "models": 0 if self.guide is None else self.guide.n_models,
                "started_utc": self.started_utc,
                "ended_utc": self.ended_utc,
                "model": self.model,
                "swapped": self.swapped,
                "refusal": self.refusal,
            }
        )

    def go_to(self, state: CalibrationState, step: str, progress: float) -> None:
        """Take a step and tell every client."""
        self.state, self.step, self.progress = state, step, progress
        self.session.tell(
            CalibrationMessage(
                session=self.session.id,
                calibration=self.id,
                state=state,
                step=step,
                progress=progress,
                model=None if self.model is None else self.model.reference,
                reason=None if self.refusal is None else self.refusal.reason,
            )
        )

    def end(self, state: CalibrationState, step: str) -> None:
        """Take the last step."""
        self.ended_utc = time.time()
        self.go_to(state, step, self.progress if state != "done" else 1.0)
        log.info("calibration", session=self.session.id, id=self.id, state=state, step=step)


class Calibrations:
    """All calibrations of this service."""

    def __init__(self) -> None:
        self._fitters = Fitters()
        self._of: dict[str, dict[str, Calibration]] = {}
        self._ids = itertools.count(1)

    def of(self, session: Session) -> list[Calibration]:
        """Give a session's calibrations, the newest first."""
        return list(reversed(self._of.get(session.id, {}).values()))

    def get(self, session: Session, cid: str) -> Calibration:
        """Give one by its id; raises `KeyError`."""
        return self._of[session.id][cid]

    def begin(self, session: Session, body: CalibrationBody) -> Calibration:
        """Begin one; it goes on by itself.

        Raises
        ------
        SessionError
            Another is being made for this session, or the session has ended.
        ConfigError
            It asks for what the session cannot give.
        CalibrationError
            It asks for trials to train a network on, and what trains it is not installed.
        """
        if session.state.final and body.source != "recording":
            raise SessionError(f"session {session.id} is {session.state}", state=session.state)
        kept = {
            cid: one
            for cid, one in self._of.get(session.id, {}).items()
            if one.session is session  # not of a former one of this name
        }
        busy = [one.id for one in kept.values() if not one.ended]
        if busy:
            raise SessionError(f"calibration {busy[0]} of session {session.id} is being made")
        made = Calibration(f"c-{next(self._ids)}", session, body, _decoder_of(session, body))
        if body.source == "guided":
            check_trainable(made.decoder.kind)  # before somebody has looked at all of it
            if body.guided.cursor is None:
                made.asked = list(_order(made))
            else:
                check_guidable(made.decoder, body.guided)
            _check_kept(made)
        for old in list(kept)[: -_MOST_KEPT + 1]:
            del kept[old]
        for id_, others in tuple(self._of.items())[:-_MOST_SESSIONS]:
            if all(one.ended for one in others.values()):
                del self._of[id_]
        self._of[session.id] = {**kept, made.id: made}
        made.task = asyncio.create_task(self._run(made))
        return made

    async def cancel(self, calibration: Calibration) -> None:
        """End one, wherever it is; one that has ended stays as it is."""
        if calibration.task is not None and not calibration.ended:
            calibration.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calibration.task

    async def close(self) -> None:
        """End all."""
        for one in [each for kept in self._of.values() for each in kept.values()]:
            await self.cancel(one)
        await self._fitters.close()

    async def _run(self, calibration: Calibration) -> None:
        try:
            await self._make(calibration)
        except asyncio.CancelledError:
            await _undone(calibration)
            calibration.end("cancelled", "cancelled")
            raise
        except VolitionError as error:
            reason = str(error.fields.get("reason", error.code))
            calibration.refusal = CalibrationRefusal(reason=reason, detail=error.message)
            await _undone(calibration)
            calibration.end("refused", error.message)
        except Exception:
            log.exception("calibration failed", session=calibration.session.id, id=calibration.id)
            detail = "an error of the service; see its log"
            calibration.refusal = CalibrationRefusal(reason="bug", detail=detail)
            await _undone(calibration)
            calibration.end("refused", detail)

    async def _make(self, calibration: Calibration) -> None:
        body, session = calibration.body, calibration.session
        done = 0.0
        if body.source == "guided":
            since = local_clock()
            if body.guided.cursor is None:
                await _guide(calibration)
                done = _GUIDED_SHARE
            else:
                calibration.guide = self._cursor_guide(calibration)
                await calibration.guide.run()
                _cue_cursor(calibration, "end", local_clock())
                await asyncio.sleep(_SETTLE_S)
                done = _CURSOR_SHARE
            last_s: float | None = local_clock() - since + 1.0
        else:
            last_s = body.last_s
        job, signal = await _job(calibration, last_s)

        def progress(share: float, step: str) -> None:
            calibration.go_to("fitting", step, done + (1 - done) * share)

        progress(0.0, "waiting for a process that fits")
        answer = await self._fitters.run(job, signal, progress)
        if "refused" in answer:
            refused = answer["refused"]
            reason = refused["fields"].pop("reason", refused["code"])
            calibration.refusal = CalibrationRefusal(
                reason=reason, detail=refused["message"], fields=refused["fields"]
            )
            await _undone(calibration)
            calibration.end("refused", refused["message"])
            return
        calibration.model = Manifest.model_validate(answer["made"])
        if body.swap:
            calibration.go_to("swapping", f"changing to {calibration.model.reference}", 0.99)
            before = session.config.decoder
            wanted = settings_for_manifest(session, calibration.model, body.decoder)
            on_the_way = calibration.guide is not None and calibration.guide.n_models > 0
            calibration.swapped = {
                **await session.swap(wanted, remember=not on_the_way),
                "changed": changed_settings(before, wanted),
            }
        await _undone(calibration)
        calibration.end("done", f"made {calibration.model.reference}")

    def _cursor_guide(self, calibration: Calibration) -> CursorGuide:
        async def refit(
            name: str, moves: list[tuple[float, list[float]]], last_s: float
        ) -> dict[str, Any]:
            try:
                job, signal = await _collected(calibration, last_s, moves)
            except SessionError as error:  # as while its stream is away
                return {"refused": {"code": error.code, "message": error.message, "fields": {}}}
            job = job.model_copy(update={"refresh": True, "name": name})
            return await self._fitters.run(job, signal, lambda *_: None)

        def say(number: int, target: CursorTarget, t_end: float, ended: CursorTrial | None) -> None:
            calibration.n_done = number if ended is not None else number - 1
            _cue_cursor(calibration, "trial" if ended is None else "pause", t_end, target, ended)

        def went_on(share: float, step: str) -> None:
            calibration.go_to("guiding", step, _CURSOR_SHARE * share)

        return CursorGuide(
            calibration.session,
            calibration.body.name,
            calibration.decoder,
            calibration.body.guided,
            refit,
            say,
            went_on,
        )


async def _undone(calibration: Calibration) -> None:
    """Leave nothing of a guided cursor's models on the way: neither decoding nor kept."""
    guide = calibration.guide
    if guide is None:
        return
    try:
        await guide.undo()
    except VolitionError as error:
        log.warning("calibration", id=calibration.id, undone=False, error=error.message)
    await asyncio.to_thread(guide.forget_models)


def _decoder_of(session: Session, body: CalibrationBody) -> Settings:
    decoder: Settings = body.decoder or session.config.decoder
    return decoder


def _check_kept(calibration: Calibration) -> None:
    """Refuse a guided one that would outlast what the session keeps of its signal."""
    plan, kept_s = calibration.body.guided, calibration.session.config.history_s
    lasts_s = len(calibration.asked) * (plan.cue_s + plan.trial_s + plan.pause_s)
    what = f"{len(calibration.asked)} trials last"
    if plan.cursor is not None:
        lasts_s, what = plan.cursor.seconds, "it lasts"
    if lasts_s > kept_s:
        raise ConfigError(
            f"{what} {lasts_s:.0f} s, and the session keeps "
            f"{kept_s:g} s of its signal: ask for fewer, or make the session with a larger "
            "history_s",
            found=lasts_s,
            allowed=kept_s,
        )


# -- guided -----------------------------------------------------------------------------------


def _order(calibration: Calibration) -> Iterator[_Asked]:
    """Give the trials: every choice once a block, in an order of its own each time.

    Raises
    ------
    ConfigError
        There is nothing to ask for, or rest is asked for and the decoder learns nothing from it.
    """
    plan, kind = calibration.body.guided, calibration.decoder.kind
    trials = trials_of(calibration.decoder)
    told = trials if isinstance(trials, TargetTrials | ClassTrials) else None
    if plan.targets is not None:
        choices = [
            _Asked(place, str(data.get("target", place + 1)), data)
            for place, data in enumerate(plan.targets)
        ]
    elif told is not None:
        choices = [_Asked.of(choice, place) for place, choice in enumerate(told.choices)]
    else:
        raise ConfigError(
            f"a decoder of kind {kind} has no targets to ask for: give guided.targets"
        )
    resting: list[_Asked] = []
    if plan.rest_trials:
        if told is None or told.rest is None:
            raise ConfigError(f"a decoder of kind {kind} learns nothing from guided.rest_trials")
        resting = [_Asked.of(told.rest)] * plan.rest_trials
    drawn = random.Random(plan.seed)  # noqa: S311 - an order, no secret
    for _ in range(plan.blocks):
        block = [*choices, *resting]
        drawn.shuffle(block)
        yield from block


async def _guide(calibration: Calibration) -> None:
    """Ask for the trials, one after the other, each at the moment that was announced.

    One during which the signal stops is asked for again.
    """
    total = len(calibration.asked)

    def tell(step: str) -> None:
        share = _GUIDED_SHARE * calibration.n_done / total
        calibration.go_to("guiding", step, share)

    while calibration.n_done < total:
        await wait_until_running(calibration.session, tell)
        asked = calibration.asked[calibration.n_done]
        tell(f"trial {calibration.n_done + 1} of {total}: {asked.label}")
        calibration.n_done += await _ask(calibration, asked)
    _cue(calibration, calibration.asked[-1], "end", local_clock(), local_clock())
    await asyncio.sleep(_SETTLE_S)


async def _ask(calibration: Calibration, asked: _Asked) -> bool:
    """Ask for one trial; give whether the signal went on until its end."""
    plan, session = calibration.body.guided, calibration.session
    t_asked = local_clock()
    t_onset = t_asked + plan.cue_s
    t_end = t_onset + plan.trial_s
    _cue(calibration, asked, "cue", t_onset, t_end)
    whole = await until(session, t_onset)
    if whole:
        if plan.onsets == "service":
            session.mark(Event(t_onset, TRIAL_START, asked.data))
        _cue(calibration, asked, "trial", t_onset, t_end)
        whole = await until(session, t_end)
        with contextlib.suppress(SessionError):  # it may have lost its worker just now
            session.mark(Event(t_end, TRIAL_END, {}))
    _cue(calibration, asked, "pause", t_onset, t_end)
    if whole:
        await until(session, t_end + plan.pause_s)
    else:
        calibration.given_up.append((t_asked, max(t_onset, local_clock())))
    return whole


def _cue(calibration: Calibration, asked: _Asked, phase: Any, t_onset: float, t_end: float) -> None:
    calibration.session.tell(
        CueMessage(
            session=calibration.session.id,
            calibration=calibration.id,
            phase=phase,
            trial=min(calibration.n_done + 1, len(calibration.asked)),
            trials=len(calibration.asked),
            target=asked.target,
            label=asked.label,
            data=asked.data,
            t=t_onset,
            t_end=t_end,
        )
    )


def _cue_cursor(
    calibration: Calibration,
    phase: Any,
    t_end: float,
    target: CursorTarget | None = None,
    ended: CursorTrial | None = None,
) -> None:
    data: dict[str, Any] = {}
    if target is not None:
        data = {"position": list(target.position), "radius": target.reach}
    if ended is not None:
        data["outcome"] = ended.outcome
    guide = calibration.guide
    number = calibration.n_done + (ended is None and target is not None)
    calibration.session.tell(
        CueMessage(
            session=calibration.session.id,
            calibration=calibration.id,
            phase=phase,
            trial=max(1, number),
            trials=0,
            target=None if target is None or guide is None else guide.index_of(target),
            label="",
            data=data,
            t=local_clock(),
            t_end=t_end,
        )
    )


# -- what is fitted ---------------------------------------------------------------------------


async def _job(calibration: Calibration, last_s: float | None) -> tuple[FitJob, bytes]:
    """Collect what the fit needs, and say so."""
    if calibration.body.recording is None:
        calibration.go_to("collecting", "copying the signal", calibration.progress)
    guide = calibration.guide
    return await _collected(calibration, last_s, None if guide is None else sorted(guide.moves))


async def _collected(
    calibration: Calibration, last_s: float | None, moves: list[tuple[float, list[float]]] | None
) -> tuple[FitJob, bytes]:
    body, session = calibration.body, calibration.session
    common: dict[str, Any] = {
        "config": settings_fields(session.config, calibration.decoder),
        "name": body.name,
        "folder": str(models_folder()),
        "network": _network_of(calibration),
        "options": body.options,
        "licence": body.licence,
        "note": body.note,
    }
    if body.recording is not None:
        path = recordings_folder() / f"{body.recording}.xdf"
        return FitJob(recording=str(path), source=f"recording {body.recording}", **common), b""
    head, rows = await session.history(last_s)
    source = f"session {session.id}, {'guided' if body.source == 'guided' else 'as marked'}"
    job = FitJob(
        spec=head["spec"],
        events=_of_whole_trials(head["events"], calibration.given_up),
        cursor=_cursor_of(session) if moves is None else moves,
        source=source,
        **common,
    )
    return job, rows


def _of_whole_trials(
    events: list[Any], given_up: Sequence[tuple[float, float]]
) -> list[tuple[float, str, dict[str, Any]]]:
    """Leave out the onsets of trials that were cut short, whoever marked them."""
    return [
        (t, name, data)
        for t, name, data in events
        if name != TRIAL_START
        or not any(since <= t <= until + _SAME_TIME_S for since, until in given_up)
    ]


def _network_of(calibration: Calibration) -> str | None:
    """Give the network that a calibration starts from: the decoder's, or else the session's."""
    named: str | None = getattr(calibration.decoder, "network", None)
    current = calibration.session.config.decoder
    if named is None and current.kind == calibration.decoder.kind:
        named = getattr(current, "network", None)
    return named


def _cursor_of(session: Session) -> list[tuple[float, list[float]]]:
    """Give where the session's cursor was, as far back as its intents are kept."""
    moves = []
    for frame in session.hub.kept():
        if frame.intent_code is IntentCode.CURSOR:
            intent = json.loads(frame.payload)
            if intent.get("position") is not None:
                moves.append((float(intent["t_sample"]), list(intent["position"])))
    return moves
