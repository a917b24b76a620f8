"""What the spec says about extraction."""

from typing import Self

from pydantic import Field, model_validator

from assets.config import Config


class ExtractConfig(Config):
    """How pages become documents, and which are left out."""

    languages: tuple[str, ...] = ("en",)
    """Languages to keep, as ISO 639-1 codes; an empty list keeps every language."""
    min_language_score: float = Field(0.5, ge=0, le=1)
    """Probability below which a language is not believed and the document is called `und`, in [0, 1]."""
    keep_undetermined: bool = True
    """Whether documents whose language is `und` (short texts, mostly code) are kept where `languages` names some."""
    min_characters: int = Field(1, ge=1)
    """Shortest text that counts as a document, in characters without white space; shorter ones are `empty`."""
    max_page_bytes: int = Field(4_000_000, ge=1)
    """Largest page that is parsed, in bytes; larger ones are `too_large`."""
    max_depth: int = Field(512, ge=8)
    """Deepest nesting of elements that is parsed (browsers stop at 512); deeper pages are `too_deep`."""
    page_cpu_s: float = Field(20.0, gt=0)
    """Processor time after which a page is given up as `timeout`, in seconds; far above what any sound page takes."""
    page_memory_mb: int = Field(2048, ge=256)
    """Memory that the parsing process may take, in MiB; a page that needs more is dropped as `extractor_failed`."""

    @model_validator(mode="after")
    def _languages_are_codes(self) -> Self:
        for code in self.languages:
            if not (code.isascii() and code.isalpha() and code.islower() and 2 <= len(code) <= 3) or code == "und":
                raise ValueError(
                    f"languages: {code!r} is no ISO 639 code such as 'en'; texts without a sure language are governed "
                    "by keep_undetermined"
                )
        return self
