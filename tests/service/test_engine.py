"""The one path for samples."""

from __future__ import annotations

import dataclasses

from service.config import load_config
from service.engine import Engine
from service.replay import replay
from streams.chunk import Event
from streams.recording import Recording, packaged_recordings, read_recording

CONFIG = load_config("fbcca-exo")


def recorded(seconds: float = 120.0) -> Recording:
    recording = read_recording(packaged_recordings()["ssvep-exo-s12"])
    n = round(seconds * recording.spec.rate_hz)
    end = recording.times[n]
    return dataclasses.replace(
        recording,
        samples=recording.samples[:n],
        times=recording.times[:n],
        events=tuple(event for event in recording.events if event.time < end),
    )


def test_the_decoder_never_sees_what_the_person_was_asked_to_look_at() -> None:
    recording = recorded()
    labels = [event.data for event in recording.events]
    swapped = dataclasses.replace(
        recording,
        events=tuple(
            Event(event.time, event.name, data)
            for event, data in zip(recording.events, reversed(labels), strict=True)
        ),
    )
    assert [e.data for e in swapped.events] != labels
    assert replay(swapped, CONFIG, 16).sha256 == replay(recording, CONFIG, 16).sha256


def test_the_digest_sees_a_change_of_the_signal() -> None:
    recording = recorded()
    changed = dataclasses.replace(recording, samples=recording.samples[:, ::-1].copy() * 0.5)
    assert replay(changed, CONFIG, 16).sha256 != replay(recording, CONFIG, 16).sha256


def test_an_engine_stamps_the_envelope_and_goes_on_from_the_number_it_is_given() -> None:
    recording = recorded()
    ticks = iter(range(10_000_000))
    engine = Engine(
        CONFIG,
        recording.spec,
        session="s",
        epoch=3,
        next_seq=41,
        clock=lambda: float(next(ticks)),
    )
    intents = [i for chunk, events in recording.chunks(64) for i in engine.step(chunk, events)]
    assert [intent.seq for intent in intents] == list(range(41, 41 + len(intents)))
    assert {(i.session, i.epoch, i.decoder) for i in intents} == {("s", 3, "fbcca")}
    assert all(intent.t_decoded > 0 for intent in intents)
