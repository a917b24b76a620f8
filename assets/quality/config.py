"""The quality stage's part of the spec: rules, classifier, decontamination, and the split."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from assets.config import Config
from assets.quality.filters import Rules, find_filter
from assets.split import SplitConfig
from resources.errors import SpecError


class FilterConfig(Config):
    """A rule filter by name, with any of its parameters beside it; defaults are filled in.

    `{name: gopher_quality, min_doc_words: 30}`, or just the name.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    """Name of a registered filter."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            return given
        try:
            rule = find_filter(given["name"])
            return {"name": rule.name, **rule.settings({key: given[key] for key in given if key != "name"})}
        except SpecError as error:
            raise ValueError(str(error)) from error

    @property
    def settings(self) -> dict[str, Any]:
        """The filter's parameters, all of them."""
        return dict(self.model_extra or {})


class ClassifierConfig(Config):
    """The fastText classifier: trained on what the rules keep and reject, and on spoiled copies of what they keep."""

    enabled: bool = True
    """Whether a classifier is trained; without one a document that passes every rule has quality 1."""
    threshold: float = Field(default=0.2, ge=0, le=1)
    """Least score in [0, 1] that a document needs to be kept."""
    max_examples: int = Field(default=2000, ge=10)
    """Most good examples, and most bad ones; a seeded hash of the document's id picks them."""
    min_examples: int = Field(default=50, ge=2)
    """Fewest good documents to train on; below, no model is made and the rules alone decide."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the examples that is kept from training, to measure the accuracy on."""
    max_tokens: int = Field(default=500, ge=1)
    """Longest part of a document, from its start, that is read, in words and symbols."""
    dimensions: int = Field(default=16, ge=2, le=300)
    """Length of the word vectors, in numbers."""
    epochs: int = Field(default=25, ge=1)
    """Passes over the examples."""
    learning_rate: float = Field(default=0.3, gt=0)
    """Learning rate at the first example; it falls to 0 in a line."""
    word_ngrams: int = Field(default=2, ge=1, le=5)
    """Longest run of words that is a feature of its own, in words."""
    buckets: int = Field(default=1 << 16, ge=1)
    """Rows that the hashed n-grams share; with `dimensions` it decides the model's size (4 bytes a number)."""
    seed: int = 0
    """Seed of the choice of examples, of the spoiling and of the training."""


class DecontaminationConfig(Config):
    """No training page of a snapshot may hold what models are judged on, up to that snapshot."""

    enabled: bool = True
    """Whether training documents are compared with the held-out ones, of this snapshot and of earlier ones."""
    ngram_words: int = Field(default=13, ge=2, le=100)
    """Length of the n-grams that are compared, in words."""
    max_share: float = Field(default=0.2, gt=0, le=1)
    """A training document that shares this part of its own or of the evaluation document's n-grams is dropped."""
    min_ngrams: int = Field(default=4, ge=1)
    """Fewer shared n-grams than this never drop a document."""


class QualityConfig(Config):
    """Which documents are kept, and which of them judge the model."""

    filters: tuple[FilterConfig, ...] = tuple(
        FilterConfig(name=name) for name in ("gopher_quality", "gopher_repetition", "c4", "fineweb", "spam")
    )
    """Rule filters in the order in which they judge; the first that rejects a document names the reason."""
    split: SplitConfig = SplitConfig()
    """Which hosts are held out."""
    classifier: ClassifierConfig = ClassifierConfig()
    """The trained judge, after the rules."""
    decontamination: DecontaminationConfig = DecontaminationConfig()
    """The comparison with the held-out documents, last."""

    def rules(self) -> Rules:
        """The filters with their parameters, ready to judge."""
        return [(find_filter(rule.name), rule.settings) for rule in self.filters]
