"""The text so far, and what of it follows for the items: how likely each is next."""

from __future__ import annotations

from typing import Any

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.words.lexicon import END, Lexicon, lexicon
from volition.decoders.codes.words.settings import Words

TEXT_MARKER = "text"
"""A marker ``text HELLO`` says what the text is now, as after a correction by other means."""

_MOST_KEPT = 10_000


class Text:
    """What was spelled, item by item.

    Parameters
    ----------
    words
        None where nothing is to be thought beforehand: all items are alike.
    labels
        Labels of the items.
    known
        The language's words, in the place of those that ``words`` names.
    """

    def __init__(
        self, words: Words | None, labels: list[str], known: Lexicon | None = None
    ) -> None:
        self._words, self._labels = words, labels
        self._lexicon = known if words is None or known is not None else lexicon(words.language)
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._typed = ""
        self._shown = self._completions()

    def state(self) -> dict[str, Any]:
        """Give the text and the words that are offered; nothing where no words are known."""
        if self._words is None:
            return {}
        return {"text": self._typed, "completions": dict(self._shown)}

    def read(self, name: str) -> bool:
        """Take a marker that says what the text is; False for any other."""
        if self._words is None or not (name == TEXT_MARKER or name.startswith(f"{TEXT_MARKER} ")):
            return False
        self._typed = name[len(TEXT_MARKER) + 1 :][-_MOST_KEPT:]
        self._shown = self._completions()
        return True

    def select(self, label: str) -> None:
        """Take what was selected."""
        words = self._words
        if words is None:
            return
        if label in self._shown:
            kept = len(self._typed) - len(self._begun())
            self._typed = f"{self._typed[:kept]}{self._shown[label]} "
        elif label == words.backspace:
            self._typed = self._typed[:-1]
        elif label == words.space:
            self._typed += " "
        elif len(label) == 1:
            self._typed += label
        self._typed = self._typed[-_MOST_KEPT:]
        self._shown = self._completions()

    def log_prior(self) -> FloatArray:
        """Give the logarithm of each item's probability, shape (n_items,)."""
        words, n_items = self._words, len(self._labels)
        if words is None or self._lexicon is None:
            return np.full(n_items, -np.log(n_items))
        letters = self._lexicon.next_letters(self._begun())
        likely = {
            label: share for (label, _), share in zip(self._offered(), self._shares(), strict=True)
        }
        shares = np.array([self._share(label, letters, likely) for label in self._labels])
        total = float(shares.sum())
        shares = shares / total if total > 0 else np.full(n_items, 1 / n_items)
        shares = (1 - words.smoothing) * shares + words.smoothing / n_items
        if words.backspace in self._labels:
            place = self._labels.index(words.backspace)
            shares[place] = 0.0
            shares *= (1 - words.backspace_probability) / shares.sum()
            shares[place] = words.backspace_probability
        shares = np.maximum(shares, words.floor)
        result: FloatArray = np.log(shares / shares.sum())
        return result

    def _share(self, label: str, letters: dict[str, float], likely: dict[str, float]) -> float:
        assert self._words is not None
        if label in likely:
            return likely[label]
        if label == self._words.space:
            return letters.get(END, 0.0)
        return letters.get(label.casefold(), 0.0)

    def _begun(self) -> str:
        """Give the word that is begun."""
        return self._typed.rpartition(" ")[2]

    def _offered(self) -> list[tuple[str, tuple[str, float]]]:
        words = self._words
        if words is None or self._lexicon is None or not words.completions:
            return []
        found = self._lexicon.completions(self._begun(), len(words.completions))
        return list(zip(words.completions, found, strict=False))

    def _shares(self) -> list[float]:
        return [share for _, (_, share) in self._offered()]

    def _completions(self) -> dict[str, str]:
        """Give the word that each item of completion stands for now."""
        upper = self._typed[-1:].isupper()
        return {label: word.upper() if upper else word for label, (word, _) in self._offered()}
