import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from llm_core.generate.request import GenerationError
from llm_core.generate.text_stream import TextStream, TokenBytes


@pytest.fixture(scope="module")
def vocabulary(tokenizer) -> TokenBytes:
    return TokenBytes(tokenizer)


def pieces(vocabulary: TokenBytes, tokens: list[int]) -> list[str]:
    stream = TextStream(vocabulary)
    return [*(stream.push(token) for token in tokens), stream.close()]


@given(text=st.text())
def test_a_text_comes_back_whole_in_valid_pieces(tokenizer, vocabulary, text):
    tokens = tokenizer.encode(text).ids
    got = pieces(vocabulary, tokens)
    assert "".join(got) == text
    assert all(piece.encode().decode() == piece for piece in got)


@given(tokens=st.lists(st.integers(4, 299), max_size=30))
def test_any_tokens_at_all_decode_as_the_tokenizer_decodes_them(tokenizer, vocabulary, tokens):
    assert "".join(pieces(vocabulary, tokens)) == tokenizer.decode(tokens)


def test_a_character_waits_for_its_last_byte(vocabulary):
    by_byte = {vocabulary.of(token): token for token in range(300)}
    tokens = [by_byte[bytes([byte])] for byte in "€".encode()]
    assert pieces(vocabulary, tokens) == ["", "", "€", ""]
    assert pieces(vocabulary, tokens[:2]) == ["", "", "�"], "a stream that ends inside a character says so"


def test_special_tokens_are_known_by_name(vocabulary):
    assert vocabulary.special == {"<|bos|>": 0, "<|eos|>": 1, "<|pad|>": 2, "<|end|>": 3}
    assert vocabulary.special_ids == {0, 1, 2, 3}


def test_another_kind_of_tokenizer_is_refused():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.Metaspace()
    with pytest.raises(GenerationError, match="Metaspace, not ByteLevel"):
        TokenBytes(tokenizer)
