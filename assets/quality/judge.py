"""What rules and classifier say of a document, before it is compared with the evaluation sets."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from assets.documents import Document, Dropped
from assets.quality.classifier import score
from assets.quality.config import QualityConfig
from assets.quality.filters import Rules, broken_rule
from assets.quality.words import plain_words
from assets.split import split_of_url


@dataclass(frozen=True)
class Judge:
    """Rules first, then the classifier where there is one.

    Reasons: `no_words`, `<filter>:<reason>`, `classifier` (its score is the document's).
    """

    config: QualityConfig
    model: Path | None

    def __call__(self, document: Document) -> Document | Dropped:
        """The document with its split and quality, or why it is dropped.

        Without a model a document that passes every rule has quality 1.
        """
        broken = self.broken_rule(document)
        if broken is not None:
            return Dropped(document.id, document.url, *broken)
        classifier = self.config.classifier
        quality = 1.0 if self.model is None else score(self.model, document.text, classifier.max_tokens)
        if self.model is not None and quality < classifier.threshold:
            return Dropped(document.id, document.url, "classifier", quality)
        return replace(document, quality=quality, split=split_of_url(document.url, self.config.split))

    def broken_rule(self, document: Document) -> tuple[str, float | None] | None:
        """Why the rules reject a document; a text without letter or digit never reaches them."""
        if not plain_words(document.text):
            return "no_words", 0.0
        return broken_rule(document, self._rules)

    @cached_property
    def _rules(self) -> Rules:
        return self.config.rules()
