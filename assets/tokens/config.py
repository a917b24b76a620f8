"""The tokens' parts of the spec."""

from pydantic import Field

from assets.config import Config


class TokenizerConfig(Config):
    """The byte-level BPE vocabulary."""

    vocab_size: int = Field(4096, ge=262, le=1 << 17)
    """Token ids in all: 6 special tokens, 256 bytes, and as many merges as are left."""
    sample_mb: float = Field(32.0, gt=0)
    """Megabytes of training text that the merges are learned from; documents are left out evenly above that."""
