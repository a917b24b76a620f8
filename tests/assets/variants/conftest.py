"""A place for corpora, and a tokenizer that was trained on one."""

from tests.assets.tokens.conftest import corpora, tokenizer

__all__ = ["corpora", "tokenizer"]
