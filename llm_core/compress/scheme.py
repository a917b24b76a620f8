"""Which matrices of a quantized model hold integers; known without loading torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Int8Scheme:
    """Which matrices hold integers; the blocks' projections always do."""

    tables: bool = False
    """Whether the embedding and an untied head do too."""
