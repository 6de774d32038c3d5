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
from volition.streams.simulated.cursor_participant import CursorParticipant
from volition.streams.simulated.live_participant import Gaze, LiveParticipant, Person, Scene
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

LOOKER = SsvepParticipant(
    seed=1, targets=(Flicker(9.0), Flicker(13.0)), response_uv=20.0, background_uv=1.0, alpha_uv=0.0
)
STEERER = CursorParticipant(seed=1)


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


def test_a_person_whose_process_hangs_holds_up_nobody_who_tells_what_is_shown() -> None:
    def show_for_ever(person: LiveParticipant) -> None:
        for _ in range(100_000):
            person.show(Scene((1.0, 2.0)))

    with live(STEERER) as person:
        process = psutil.Process(person._process.pid)
        process.suspend()
        try:
            with pytest.raises(StreamError, match="does not take"):
                show_for_ever(person)
        finally:
            process.resume()
