"""datatrove's rule filters, asked for a verdict: fed our words, its reasons renamed and measured."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from assets.documents import Document
from assets.quality.filters import Verdict
from assets.quality.words import SENTENCE_END, spaced_words

Reasons = Mapping[str, tuple[str, Callable[[str], float]]]
"""datatrove's name of a reason → ours, and how to measure what decided (only dropped documents are measured)."""


def ask(name: str, reasons: Reasons, *, document: Document, **settings: Any) -> Verdict:
    """What datatrove's filter class `name` says of a document; it judges a copy, so it edits nothing.

    A rule has the class's own parameters, so it hands on its `locals()`.
    """
    from datatrove.data import Document as Copy

    verdict = _filter(name, tuple(sorted(settings.items()))).filter(Copy(text=document.text, id=document.id))
    if verdict is True:
        return None
    reason, measure = reasons[verdict[1]]
    return reason, round(measure(document.text), 4)


@cache
def _filter(name: str, settings: tuple[tuple[str, Any], ...]) -> Any:
    # Imported at the first document: datatrove takes most of a second, and the spec must load without it.
    from datatrove.pipeline import filters

    return getattr(filters, name)(language=_tokenizer(), **dict(settings))


@cache
def _tokenizer() -> Any:
    """Our words in datatrove's interface; its own English ones need spaCy, ten times as slow."""
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Words(WordTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return spaced_words(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text[start:end] for start, end in self.span_tokenize(text)]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            ends = [*(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
            return [span for span in zip([0, *ends], ends, strict=False) if span[0] < span[1]]

    return Words()


def repetition() -> Any:
    """datatrove's counts of repeated text."""
    from datatrove.pipeline.filters import gopher_repetition_filter

    return gopher_repetition_filter
