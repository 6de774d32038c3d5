"""A simulated person who is told live what the screen shows."""

from __future__ import annotations

import uuid

import numpy as np
import psutil
import pytest

from volition.chunk import Chunk, FloatArray
from volition.errors import ConfigError, StreamError
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.simulated import live_participant
from volition.streams.simulated.coded_participant import CodedParticipant, CodedSignal
from volition.streams.simulated.cursor_participant import CursorParticipant
from volition.streams.simulated.live_participant import (
    Flashing,
    Gaze,
    LiveParticipant,
    Person,
    Scene,
)
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

LOOKER = SsvepParticipant(
    seed=1, targets=(Flicker(9.0), Flicker(13.0)), response_uv=20.0, background_uv=1.0, alpha_uv=0.0
)
STEERER = CursorParticipant(seed=1)
SPELLER = CodedParticipant(seed=1)


def live(person: Person) -> LiveParticipant:
    return LiveParticipant(person, name="live", source_id=f"live-{uuid.uuid4().hex}")


def opened(person: LiveParticipant) -> SignalInlet:
    kind = "Features" if isinstance(person.person, CursorParticipant) else "EEG"
    inlet = SignalInlet(find_one(name=None, type=kind, source_id=person.source_id, wait_s=20.0))
    inlet.open(10.0)
    return inlet


def pull_until(inlet: SignalInlet, time: float) -> Chunk:
    samples: list[FloatArray] = []
    times: list[FloatArray] = []
    deadline = local_clock() + 120.0
    while not times or times[-1][-1] < time:
        assert local_clock() < deadline
        chunk = inlet.pull(0.5)
        if len(chunk):
            samples.append(chunk.samples.copy())
            times.append(chunk.times.copy())
    return Chunk(np.concatenate(samples), np.concatenate(times))


def test_what_is_looked_at_is_in_the_signal_from_its_onset_on() -> None:
    with live(LOOKER) as person:
        inlet = opened(person)
        pull_until(inlet, local_clock())
        onset = local_clock() + 0.5
        person.show(Gaze(1, onset))
        chunk = pull_until(inlet, onset + 1.5)
        inlet.close()

    late = chunk.times > onset + 0.4
    t = chunk.times[late] - onset
    strength = [
        abs(np.mean(chunk.samples[late, -2] * np.exp(-2j * np.pi * f * t))) for f in (9.0, 13.0)
    ]
    before = chunk.samples[chunk.times < onset, -2]
    assert strength[1] > 4 * strength[0]
    assert chunk.samples[late, -2].std() > 2 * before.std()
    np.testing.assert_allclose(np.diff(chunk.times), 1 / 250.0, atol=1e-6)


def test_what_is_meant_follows_the_screen() -> None:
    with live(STEERER) as person:
        inlet = opened(person)
        tuning = STEERER.sit().preferred
        means = []
        for x in (12.0, -12.0):
            person.show(Scene((0.0, 0.0), (x, 0.0)))
            now = local_clock()
            chunk = pull_until(inlet, now + 1.5)
            means.append(chunk.samples[chunk.times > now + 0.5].mean(axis=0))
        inlet.close()

    difference = means[0] - means[1]
    assert np.corrcoef(difference, np.cos(tuning))[0, 1] > 0.8


def test_a_person_looks_at_no_screen_but_their_own() -> None:
    person = live(LOOKER)
    with pytest.raises(ConfigError, match="SsvepParticipant cannot look at a Scene"):
        person.show(Scene((0.0, 0.0)))
    with pytest.raises(ConfigError, match="allowed: 0 to 1"):
        person.show(Gaze(2))
    with pytest.raises(ConfigError, match="CursorParticipant cannot look at a Gaze"):
        live(STEERER).show(Gaze(None))


def test_a_person_who_has_left_is_told_nothing_more() -> None:
    with live(STEERER) as person:
        person.stop()
        assert not person.is_alive
        with pytest.raises(StreamError, match="has ended"):
            person.show(Scene((0.0, 0.0)))


SCREEN = Scene((1.0, 2.0))
MANY_FLASHES = Flashing(3, tuple((1e9 + n, tuple(range(20))) for n in range(900)))


@pytest.mark.parametrize(("who", "shown"), [(STEERER, SCREEN), (SPELLER, MANY_FLASHES)])
def test_a_person_whose_process_hangs_holds_up_nobody_who_tells_what_is_shown(
    who: CursorParticipant | CodedParticipant, shown: Scene | Flashing
) -> None:
    def show_for_ever(person: LiveParticipant) -> None:
        for _ in range(100_000):
            person.show(shown)

    with live(who) as person:
        process = psutil.Process(person._process.pid)
        process.suspend()
        try:
            with pytest.raises(StreamError, match="does not take"):
                show_for_ever(person)
        finally:
            process.resume()


def test_more_than_the_way_to_a_person_holds_is_shown_to_nobody() -> None:
    everything = Flashing(3, tuple((1.0, tuple(range(256))) for _ in range(1000)))
    with pytest.raises(ConfigError, match="at most 65536 are shown at once"):
        live(SPELLER).show(everything)


@pytest.mark.parametrize("who", [LOOKER, SPELLER])
def test_what_is_shown_of_a_far_future_again_and_again_takes_no_memory(
    who: SsvepParticipant | CodedParticipant,
) -> None:
    sitting, far = who.sit(), 1e6
    for n in range(20):
        if isinstance(sitting, CodedSignal):
            flashes = tuple((far + n, (3,)) for _ in range(1000))
            shown = Flashing(3, flashes, "01" * 99, far, step_hz=240.0, lasts_s=60.0)
            live_participant._watch(sitting, shown, 0.0)
        else:
            for _ in range(1000):
                live_participant._attend(sitting, Gaze(1, far), 0.0)
        assert sitting.n_ahead <= live_participant._MOST_AHEAD + 3
