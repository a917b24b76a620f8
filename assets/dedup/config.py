"""The part of the spec that says what counts as a duplicate and which copy stays."""

from typing import Literal, Self

from pydantic import Field, model_validator

from assets.config import Config
from assets.minhash import candidate_probability


class DedupConfig(Config):
    """Exact duplicates, then near-duplicates by MinHash and locality-sensitive hashing."""

    shingle_words: int = Field(default=5, ge=1, le=64)
    """Length of a shingle in words (in scripts without spaces: in characters)."""
    bands: int = Field(default=16, ge=1, le=256)
    """Number of bands of a signature; two texts that agree in a whole band are compared."""
    rows: int = Field(default=7, ge=1, le=64)
    """Number of hash functions in a band; a signature holds bands times rows of them."""
    min_similarity: float = Field(default=0.7, gt=0, le=1)
    """Share of equal hash minima, in [0, 1], from which two compared texts count as near-duplicates."""
    keep: Literal["longest", "shortest_url", "first_url"] = "longest"
    """Which document of a group of duplicates stays: the one with most characters, with the shortest URL, or the one
    whose URL sorts first; ties go to the URL that sorts first."""
    seed: int = Field(default=1, ge=0, lt=2**64)
    """Seed of the word hashes and of the MinHash functions, an integer."""

    @model_validator(mode="after")
    def _finds_what_it_looks_for(self) -> Self:
        similar = (1 + self.min_similarity) / 2
        share = candidate_probability(similar, self.bands, self.rows)
        if share < 0.5:
            raise ValueError(
                f"bands={self.bands} of rows={self.rows} would compare only {share:.1%} of the pairs whose "
                f"similarity is {similar:.2f}, well above min_similarity={self.min_similarity}: "
                "use more bands or fewer rows"
            )
        return self
