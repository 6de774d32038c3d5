"""Which letter comes next, and which word: counted over the words of a language.

The words and how often they are used come from the package wordfreq (the extra ``words``), which is
asked once for a language and needs no network. A word's beginning is the longest context; where few
words begin so, shorter contexts, the last letters alone, say more, each weighed against the next
shorter one by how many different letters have followed it (Witten and Bell, IEEE Trans. Inf. Theory
37:1085, 1991).
"""

from __future__ import annotations

import bisect
import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from volition.errors import ConfigError

#: The most frequent words that are counted; the rarest of them is met once in some million words.
MOST_WORDS = 20_000
#: Languages that are kept in memory, some 20 MB each.
MOST_LANGUAGES = 4
#: Letters of the longest context that is not the whole beginning of a word.
LONGEST = 4
END = " "
"""What follows the last letter of a word."""
_BEGIN = "^"


class Lexicon:
    """The words of a language and what follows what in them.

    Parameters
    ----------
    frequencies
        How often each word is used, in any unit: words of lower-case letters.
    """

    def __init__(self, frequencies: Mapping[str, float]) -> None:
        total = sum(frequencies.values())
        self._words = sorted(frequencies)
        # In words of a million, so that a context is trusted by how much of the language it is.
        self._of = {word: 1e6 * frequencies[word] / total for word in self._words}
        self._counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for word, often in self._of.items():
            text = f"{_BEGIN}{word}{END}"
            for place in range(1, len(text)):
                begun = text[:place]
                for context in {begun, *(begun[place - n :] for n in range(min(LONGEST, place)))}:
                    self._counts[context][text[place]] += often
                self._counts[""][text[place]] += 0.0
        letters = {letter for followers in self._counts.values() for letter in followers}
        self._letters = sorted(letters)
        self._followers = {context: dict(found) for context, found in self._counts.items()}

    def next_letters(self, begun: str) -> dict[str, float]:
        """Give the probability of each letter, and of `END`, after the beginning of a word."""
        text = _BEGIN + begun.casefold()
        found = dict.fromkeys(self._letters, 1.0 / len(self._letters))
        contexts = [text[len(text) - n :] for n in range(min(LONGEST, len(text)) + 1)]
        for context in dict.fromkeys([*contexts, text]):
            followers = self._followers.get(context)
            if not followers:
                continue
            often, kinds = sum(followers.values()), float(len(followers))
            if often <= 0:
                continue
            found = {
                letter: (followers.get(letter, 0.0) + kinds * share) / (often + kinds)
                for letter, share in found.items()
            }
        if not begun:
            found[END] = 0.0
        total = sum(found.values())
        return {letter: share / total for letter, share in found.items()}

    def completions(self, begun: str, n: int) -> list[tuple[str, float]]:
        """Give the ``n`` likeliest words that begin so, each with its share of all such words."""
        begun = begun.casefold()
        first = bisect.bisect_left(self._words, begun)
        stop = bisect.bisect_left(self._words, begun + chr(0x10FFFF))
        words = [word for word in self._words[first:stop] if word != begun]
        total = sum(self._of[word] for word in self._words[first:stop])
        words.sort(key=lambda word: -self._of[word])
        return [(word, self._of[word] / total) for word in words[:n]]


def languages() -> list[str]:
    """Give the codes of the languages that have words, in order.

    Raises
    ------
    ConfigError
        The package that holds them is not installed.
    """
    return sorted(_wordfreq().available_languages())


@functools.lru_cache(maxsize=MOST_LANGUAGES)
def lexicon(language: str) -> Lexicon:
    """Give the words of a language.

    Raises
    ------
    ConfigError
        The package that holds them is not installed, or has no such language.
    """
    wordfreq = _wordfreq()
    if language not in wordfreq.available_languages():
        raise ConfigError(
            f"no words of the language {language!r} are known; allowed: {', '.join(languages())}",
            found=language,
            allowed=languages(),
        )
    words = wordfreq.top_n_list(language, MOST_WORDS)
    return Lexicon(
        {word: wordfreq.word_frequency(word, language) for word in words if word.isalpha()}
    )


def _wordfreq() -> Any:
    try:
        import wordfreq
    except ImportError:
        raise ConfigError(
            "a language's words come from the package wordfreq, which is not installed: install "
            "the extra words (pip install 'volition[words]'), or leave the setting words out",
            extra="words",
        ) from None
    return wordfreq
