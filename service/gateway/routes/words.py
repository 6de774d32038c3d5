"""Words that go on from a text, for spellers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from volition.decoders.codes.words.lexicon import lexicon
from volition.errors import ConfigError
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM
from volition.service.wire.words import WordsView, WordView


def words_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["kinds"])

    @router.get("/words")
    @allow(Role.READ)
    def list_words(  # in a thread: a language is read when it is first asked for
        begun: Annotated[
            str, Query(max_length=64, description="The beginning of a word; empty for any.")
        ] = "",
        language: Annotated[
            str, Query(pattern="^[a-z]{2,3}$", description="Language by its ISO 639 code.")
        ] = "en",
        most: Annotated[int, Query(ge=1, le=20, description="How many words at most.")] = 5,
    ) -> WordsView:
        """Give the likeliest words that begin so."""
        try:
            known = lexicon(language)
        except ConfigError as error:
            return WordsView(language=language, words=[], why_none=error.message)
        found = known.completions(begun, most)
        words = [WordView(word=word, share=share) for word, share in found]
        return WordsView(language=language, words=words, why_none="")

    return router
