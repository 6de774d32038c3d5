"""What is likely to be spelled next follows from the words of a language."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.decoders.codes.words.lexicon import END, Lexicon, languages, lexicon
from volition.decoders.codes.words.settings import Words
from volition.decoders.codes.words.text import Text
from volition.errors import ConfigError

KNOWN = Lexicon({"the": 50.0, "then": 10.0, "there": 8.0, "hello": 5.0, "help": 3.0, "zone": 1.0})
LABELS = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "_", "<", "word 1", "word 2"]
WORDS = Words(completions=["word 1", "word 2"])


def prior_after(typed: str, words: Words = WORDS) -> dict[str, float]:
    text = Text(words, LABELS, KNOWN)
    text.read(f"text {typed}")
    return dict(zip(LABELS, np.exp(text.log_prior()).tolist(), strict=True))


@hypothesis.given(begun=st.text("abcdefghijklmnopqrstuvwxyz", max_size=8))
def test_the_letters_after_any_beginning_sum_to_one(begun: str) -> None:
    assert sum(KNOWN.next_letters(begun).values()) == pytest.approx(1.0)


@hypothesis.given(
    typed=st.text("ABCXYZ _<", max_size=12), smoothing=st.floats(0, 1), floor=st.floats(1e-4, 0.01)
)
def test_a_prior_sums_to_one_and_no_item_falls_below_the_floor(
    typed: str, smoothing: float, floor: float
) -> None:
    words = WORDS.model_copy(update={"smoothing": smoothing, "floor": floor})

    shares = np.array([*prior_after(typed, words).values()])

    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() >= floor / (1 + floor * len(LABELS)) - 1e-12


def test_the_letter_that_most_words_go_on_with_is_the_likeliest() -> None:
    assert max("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", key=prior_after("TH").__getitem__) == "E"
    assert prior_after("HEL")["L"] > prior_after("HEL")["P"] > prior_after("HEL")["Q"]


def test_a_beginning_that_no_word_has_is_read_by_its_last_letters() -> None:
    assert prior_after("XXTH")["E"] > 5 * prior_after("XXTH")["Q"]


def test_an_ended_word_makes_space_likely() -> None:
    assert KNOWN.next_letters("the")[END] > 0.5
    assert prior_after("THE")["_"] > prior_after("TH")["_"]


def test_smoothing_of_one_is_no_prior_but_for_backspace() -> None:
    shares = prior_after("TH", WORDS.model_copy(update={"smoothing": 1.0}))

    assert shares["<"] == pytest.approx(0.035)
    assert {round(share, 9) for label, share in shares.items() if label != "<"} == {
        round((1 - 0.035) / (len(LABELS) - 1), 9)
    }


def test_a_completion_replaces_what_was_begun() -> None:
    text = Text(WORDS, LABELS, KNOWN)
    for label in "HE":
        text.select(label)
    assert text.state() == {"text": "HE", "completions": {"word 1": "HELLO", "word 2": "HELP"}}

    text.select("word 2")

    assert text.state()["text"] == "HELP "


def test_backspace_and_space_are_items() -> None:
    text = Text(WORDS, LABELS, KNOWN)
    for label in ["A", "B", "<", "_", "C"]:
        text.select(label)

    assert text.state()["text"] == "A C"


def test_without_words_all_items_are_alike() -> None:
    text = Text(None, LABELS)
    text.select("A")

    assert not text.read("text A")
    assert text.state() == {}
    np.testing.assert_allclose(np.exp(text.log_prior()), 1 / len(LABELS))


def test_a_language_has_words_from_the_package() -> None:
    pytest.importorskip("wordfreq", reason="needs the extra words")
    english = lexicon("en")

    assert max(english.next_letters("th"), key=english.next_letters("th").__getitem__) == "e"
    assert "hello" in [word for word, _ in english.completions("hell", 5)]
    assert {"en", "de", "fr", "es"} <= {*languages()}


def test_an_unknown_language_is_named_with_those_that_are_known() -> None:
    pytest.importorskip("wordfreq", reason="needs the extra words")
    with pytest.raises(ConfigError, match=r"'xx'.*allowed: ar"):
        lexicon("xx")
