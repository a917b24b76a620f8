"""A place for corpora, and a tokenizer that was trained on one."""

from pathlib import Path

import pytest

from assets.tokens.config import TokenizerConfig
from assets.tokens.tokenizer import train_tokenizer
from tests.assets.tokens.corpora import Corpora, prose


@pytest.fixture
def corpora(tmp_path: Path) -> Corpora:
    return Corpora(tmp_path)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpora = Corpora(tmp_path_factory.mktemp("tokenizer"))
    train_tokenizer(corpora.build("tokenizer"), TokenizerConfig(vocab_size=400), corpora.corpus("corpus", prose(40)))
    return corpora.root / "tokenizer"
