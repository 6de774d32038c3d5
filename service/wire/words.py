"""Words that are likely to be meant, as a speller offers them."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class WordView(Answer):
    word: str
    share: float = Field(description="Share of all words that begin so, by how often each is used.")


class WordsView(Answer):
    """The likeliest words that begin as the text ends."""

    language: str
    words: list[WordView] = Field(description="The likeliest first.")
    why_none: str = Field(
        description="Why no words are known: the extra `words` is not installed, or has not the "
        "language; empty where they are."
    )
