from __future__ import annotations

from typing import Any

import pytest

from volition.chunk import Event
from volition.decoders.contract.intent import (
    ClassIntent,
    IdleIntent,
    Intent,
    SelectionIntent,
    neutral,
)
from volition.errors import ConfigError
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import run_offline
from volition.service.sessions.selections import SelectionFilter, SelectionPolicy
from volition.streams.files.recording import packaged_recordings, read_recording

STEP_S = 0.1


def answers(text: str, start: float = 10.0) -> list[Intent]:
    """Give a decoder's answers: a letter for a target, a dot for rest, m for missing samples."""
    made: list[Intent] = []
    for k, one in enumerate(text):
        t = start + k * STEP_S
        if one.isupper():
            made.append(
                SelectionIntent(
                    target=ord(one) - 65, label=one, confidence=0.9, evidence={}, t_sample=t
                )
            )
        else:
            reason: Any = "missing_samples" if one == "m" else "rest"
            made.append(IdleIntent(reason=reason, t_sample=t))
    return made


def selected(text: str, **policy: Any) -> list[tuple[str, int]]:
    """Give what is selected, and by the answer of which number."""
    passing = SelectionFilter(SelectionPolicy(**{"agree": 3, "of": 4, "dwell_s": 0.0, **policy}))
    out = [passing.apply(intent) for intent in answers(text)]
    return [(one.label, k) for k, one in enumerate(out) if isinstance(one, SelectionIntent)]


def test_a_target_that_is_looked_at_for_long_is_selected_once() -> None:
    assert selected("....AAAAAAAAAAAAAAAAAAAAAAAAAAAA") == [("A", 6)]


def test_it_is_selected_again_once_it_was_let_go() -> None:
    text = "AAAA" + "." * 20 + "AAAA"
    assert selected(text) == [("A", 2), ("A", 26)]
    assert selected("AAAA.AAAA.AAAA.AAAA") == [("A", 2)]


def test_another_target_is_selected_on_change_and_not_within_the_refractory_time() -> None:
    assert selected("AAAABBBBBBBBBBBB") == [("A", 2), ("B", 12)]
    assert selected("AAAABBBBBBBBBBBB", refractory_s=0.0) == [("A", 2), ("B", 6)]


def test_so_many_of_the_last_windows_must_agree() -> None:
    assert selected("ABABABABABAB") == []
    assert selected("AABA") == [("A", 3)]
    assert selected("AA.A", agree=3, of=3) == []


def test_they_must_have_agreed_for_the_dwell_time() -> None:
    assert selected("AAAAAAAAAA", dwell_s=0.45) == [("A", 7)]


def test_as_often_as_the_refractory_time_allows_where_that_is_wanted() -> None:
    found = selected("A" * 50, repeat="always", refractory_s=1.0)
    assert [k for _, k in found] == [2, 12, 22, 32, 42] or len(found) == 5


def test_what_is_to_be_confirmed_is_chosen_twice() -> None:
    text = "AAAA" + "." * 11 + "AAAA" + "." * 11 + "BBBB"
    assert selected(text, confirm_within_s=5.0) == [("A", 17)]
    assert selected(text, confirm_within_s=0.5) == []


def test_missing_samples_neither_agree_nor_let_go() -> None:
    assert selected("AAAAmmmmmmmmmmmmmmAAAA") == [("A", 2)]


def test_why_an_answer_is_no_selection_is_told() -> None:
    passing = SelectionFilter(SelectionPolicy(dwell_s=0.0))
    out = [passing.apply(intent) for intent in answers("AAAA")]
    reasons = [one.reason for one in out if isinstance(one, IdleIntent)]
    assert reasons == ["undecided", "undecided", "repeated"]


@pytest.mark.parametrize(
    "intent",
    [
        SelectionIntent(
            target=0, label="A", confidence=0.9, evidence={}, t_sample=1.0, t_trigger=0.5
        ),
        ClassIntent(label="x", probabilities={"x": 1.0}, t_sample=1.0),
    ],
)
def test_answers_to_markers_and_other_kinds_pass(intent: Intent) -> None:
    assert SelectionFilter(SelectionPolicy()).apply(intent) is intent


FLICKERS = {
    "kind": "fbcca",
    "targets": [{"label": f"{hz} Hz", "freq_hz": hz} for hz in (13, 17, 21)],
}
README = {
    "stream": {"type": "EEG", "channels": ["Oz", "O1", "O2", "POz"]},
    "stages": [{"kind": "notch", "freq_hz": 50}],
    "decoder": {**FLICKERS, "trigger": "sliding", "window_s": 3.0, "step_s": 0.1},
}


def selections_of(name: str, **changes: Any) -> tuple[list[SelectionIntent], list[Event]]:
    """Run a packaged recording through the README's session."""
    config = parse_config({**README, **changes})
    recording = read_recording(packaged_recordings()[name], channels=config.stream.channels)
    intents = run_offline(config, recording.spec, recording.chunks(64))
    return [one for one in intents if isinstance(one, SelectionIntent)], recording.trials()


@pytest.mark.parametrize(("name", "most"), [("ssvep-exo-s12", 26), ("ssvep-exo-s03", 24)])
def test_by_default_one_look_is_one_selection(name: str, most: int) -> None:
    made, trials = selections_of(name)
    assert len(made) <= most
    by_trial = [
        [one.label for one in made if trial.time <= one.t_sample < trial.time + 6.5]
        for trial in trials
    ]
    wanted = [trial.data["target"] for trial in trials]
    assert all(not made for made, target in zip(by_trial, wanted, strict=True) if target == "rest")
    looked = [(made, target) for made, target in zip(by_trial, wanted, strict=True) if made]
    assert len(looked) == 24
    assert all({*made} == {target} for made, target in looked)


@pytest.mark.parametrize("every", ["every", None])
def test_each_answer_is_a_selection_where_that_is_wanted(every: str | None) -> None:
    made, _ = selections_of("ssvep-exo-s03", selections=every)
    assert len(made) == 1229


def test_what_is_decided_at_a_wrong_rate_is_not_selected_later() -> None:
    passing = SelectionFilter(SelectionPolicy(agree=2, of=2, dwell_s=0.0))
    first, second = answers("AA")
    assert isinstance(passing.apply(first), IdleIntent)
    idle = passing.apply(neutral(second, reason="rate"))
    assert isinstance(idle, IdleIntent)
    assert idle.reason == "rate"
    (after,) = answers("A", start=10.2)
    assert isinstance(passing.apply(after), IdleIntent)


def test_a_policy_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ConfigError, match="agree"):
        parse_config(
            {
                "stream": {"type": "EEG"},
                "decoder": {
                    "kind": "cca",
                    "targets": [{"label": "a", "freq_hz": 8}, {"label": "b", "freq_hz": 9}],
                },
                "selections": {"agree": 5, "of": 3},
            }
        )
