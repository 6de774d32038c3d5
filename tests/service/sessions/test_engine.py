"""The one path for samples."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent, canonical_json, to_json
from volition.service.sessions.config import SessionConfig, load_config, parse_config
from volition.service.sessions.engine import Engine, IntentDigest
from volition.service.sessions.history import MOST_EVENT_BYTES, History
from volition.service.worker.replay import replay
from volition.streams.files.recording import Recording, packaged_recordings, read_recording

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
        generation=3,
        next_seq=41,
        clock=lambda: float(next(ticks)),
    )
    intents = [i for chunk, events in recording.chunks(64) for i in engine.step(chunk, events)]
    assert [intent.seq for intent in intents] == list(range(41, 41 + len(intents)))
    assert {(i.session, i.epoch, i.decoder) for i in intents} == {("s", 3, "fbcca")}
    assert all(intent.t_decoded > 0 for intent in intents)


# -- events and gaps --------------------------------------------------------------------------

BY_MARKERS = parse_config(
    {
        "stream": {"type": "EEG", "continuity": {"bridge_s": 0.1}},
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
            "trigger": "markers",
            "window_s": 1.0,
            "delay_s": 0.0,
        },
    }
)
RATE_HZ = 250.0


def made(lost: list[range], seconds: float = 12.0) -> tuple[FloatArray, FloatArray]:
    """12 Hz in noise, with some samples lost."""
    kept = np.setdiff1d(np.arange(round(seconds * RATE_HZ)), np.concatenate([[], *lost]))
    wave = np.sin(2 * np.pi * 12 * kept / RATE_HZ)
    noise = np.random.default_rng(1).standard_normal((len(kept), 2))
    return 5 * wave[:, np.newaxis] + noise, 100.0 + kept / RATE_HZ


def decided(
    samples: FloatArray,
    times: FloatArray,
    pieces: list[tuple[int, list[Event]]],
    config: SessionConfig = BY_MARKERS,
) -> list[str]:
    """Run a signal in chunks that end at the given places, each with its events."""
    engine = Engine(config, SignalSpec(RATE_HZ, ("a", "b")))
    found, start = [], 0
    for stop, events in [*pieces, (len(times), [])]:
        chunk = Chunk(samples[start:stop].copy(), times[start:stop].copy())
        found += [canonical_json(i).decode() for i in engine.step(chunk, events)]
        start = stop
    return found


LOST = [range(500, 510), range(1000, 1100), range(2000, 2040)]
EVENT_TIMES = [100.5, 101.9, 103.2, 104.1, 104.45, 106.0, 107.95, 108.5]


@settings(max_examples=40)
@given(st.data())
def test_gaps_and_early_events_give_the_same_however_they_come(data: st.DataObject) -> None:
    samples, times = made(LOST)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(times)), min_size=1, max_size=12)))
    pieces: list[tuple[int, list[Event]]] = [(cut, []) for cut in cuts]
    late: list[Event] = []
    for time in EVENT_TIMES:
        # With the chunk that holds its time, or with any before.
        latest = next((i for i, cut in enumerate(cuts) if cut and times[cut - 1] >= time), None)
        if latest is None:
            late.append(Event(time, "trial_start"))
        else:
            pieces[data.draw(st.integers(0, latest))][1].append(Event(time, "trial_start"))
    pieces.append((len(times), late))

    whole = decided(samples, times, [(len(times), [Event(t, "trial_start") for t in EVENT_TIMES])])

    assert decided(samples, times, pieces) == whole
    assert any('"selection"' in intent for intent in whole)
    assert any('"missing_samples"' in intent for intent in whole)


def test_events_from_before_a_reset_and_of_another_clock_cost_nothing_later() -> None:
    samples, times = made([])
    engine = Engine(BY_MARKERS, SignalSpec(RATE_HZ, ("a", "b")))
    engine.step(Chunk(samples[:10].copy(), times[:10].copy()))
    engine.step(
        Chunk(samples[10:20].copy(), times[10:20].copy()),
        [Event(9e9 + n, "trial_start") for n in range(5000)],
    )
    assert len(engine._waiting) <= 1024
    intents = []
    for start in range(20, 1000, 10):
        chunk = Chunk(samples[start : start + 10].copy(), times[start : start + 10].copy())
        intents += engine.step(chunk, [Event(101.0, "trial_start")] if start == 20 else ())
    assert [intent.t_trigger for intent in intents] == [101.0]


def test_an_encoded_intent_counts_in_the_digest_as_the_intent_does() -> None:
    odd = SelectionIntent(
        t_sample=1e16 / 3, target=1, label='µ "x"', confidence=0.1, evidence={"a": 1e-7, "b": -0.0}
    )
    by_object, by_text = IntentDigest(), IntentDigest()
    for intent in (odd, IdleIntent(t_sample=123456.789, evidence={"a": 5e-324, "b": 1e22})):
        by_object.add(intent)
        by_text.add_encoded(to_json(intent).decode())
    assert by_object.hexdigest() == by_text.hexdigest()


def test_markers_that_crowd_a_moment_are_met_up_to_a_number_and_the_rest_are_counted() -> None:
    recording = recorded(5.0)
    met: dict[int, list[Event]] = {}
    t = float(recording.times[300])
    crowd = [Event(t + 1e-7 * i, f"m{i}", {"d": list(range(40)), "i": i}) for i in range(700)]
    for size in (7, 90):
        engine = Engine(CONFIG, recording.spec)
        seen = met.setdefault(size, [])
        decode = engine.decoder.decode

        def note(chunk, events, decode=decode, seen=seen):  # type: ignore[no-untyped-def]  # stands in for a decoder's
            seen += events
            return decode(chunk, events)

        engine.decoder.decode = note  # type: ignore[method-assign]  # to look at what it is given
        engine.step(Chunk(recording.samples[:0], recording.times[:0]), crowd)
        for at in range(0, 600, size):
            piece = slice(at, at + size)
            engine.step(Chunk(recording.samples[piece].copy(), recording.times[piece].copy()))
        assert engine.n_crowded_events == 600
    assert [event.name for event in met[7]] == [f"m{i}" for i in range(100)]
    assert met[7] == met[90]


def test_a_decoder_of_coded_items_is_shown_each_frame_of_a_fast_display() -> None:
    decoder = {
        "kind": "reconvolution",
        "book": {"items": ["A", "B"], "code": {"kind": "single"}},
        "learning": "unsupervised",
        "response_s": 0.1,
        "whitening_s": 0.0,
        "high_hz": 20.0,
    }
    engine = Engine(
        parse_config({"stream": {"type": "EEG"}, "decoder": decoder}), SignalSpec(100.0, ("a", "b"))
    )
    times = np.arange(200) / 100.0
    frames = [Event(0.5 + number / 240.0, f"step {number % 2}") for number in range(300)]
    met: list[Event] = []

    def note(chunk, events):  # type: ignore[no-untyped-def]  # stands in for a decoder's
        met.extend(events)
        return []

    engine.decoder.decode = note  # type: ignore[method-assign]  # to look at what it is given
    engine.step(Chunk(np.zeros((200, 2)), times), frames)

    assert (len(met), engine.n_crowded_events) == (300, 0)


def test_events_that_are_kept_for_a_calibration_are_bounded_in_bytes() -> None:
    history = History(SignalSpec(100.0, ("a",)), 60.0)
    text = "x" * 12_000
    for i in range(1000):
        chunk = Chunk(np.zeros((1, 1)), np.array([i / 100.0]))
        history.add(chunk, [Event(i / 100.0, "trial_start", {"note": text})])
    kept = history.events_of(None)
    assert sum(len(str(event.data)) for event in kept) < MOST_EVENT_BYTES
    assert kept[-1].time == 9.99
