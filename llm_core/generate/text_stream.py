"""Text of a token stream: valid UTF-8 pieces from a byte-level BPE."""

import codecs
import json

from tokenizers import Tokenizer

from llm_core.generate.errors import GenerationError


def byte_alphabet() -> dict[str, int]:
    """The printable characters that stand for the 256 bytes in a byte-level vocabulary (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + at): byte for at, byte in enumerate(others)}


class TokenBytes:
    """The bytes that each token stands for, and which tokens are special (controls, never text).

    Bytes rather than `Tokenizer.decode`: a character may span tokens, and `tokenizers`' own stream holds a
    piece back for ever once a byte sequence is invalid, which a young model writes often.

    Raises:
        GenerationError: if the tokenizer is not a byte-level one.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        decoder = json.loads(tokenizer.to_str()).get("decoder") or {}
        if decoder.get("type") != "ByteLevel":
            kind = decoder.get("type")
            raise GenerationError(f"the tokenizer's decoder is {kind}, not ByteLevel: serve a byte-level BPE")
        alphabet = byte_alphabet()
        added = tokenizer.get_added_tokens_decoder()
        self.tokenizer = tokenizer
        self.special: dict[str, int] = {token.content: id_ for id_, token in added.items() if token.special}
        self.special_ids = frozenset(self.special.values())
        self.bytes: list[bytes] = [b""] * tokenizer.get_vocab_size(with_added_tokens=True)
        for token, id_ in tokenizer.get_vocab(with_added_tokens=True).items():
            self.bytes[id_] = token.encode() if id_ in added else bytes(alphabet[character] for character in token)

    def of(self, token: int) -> bytes:
        """The bytes of `token`; none for an id that the model knows and the tokenizer does not (padding)."""
        return self.bytes[token] if token < len(self.bytes) else b""


class TextStream:
    """Turns one request's tokens into text pieces that are whole characters.

    The pieces joined equal the decoding of all bytes at once: an incomplete character waits for its rest, an
    impossible one becomes U+FFFD at once.
    """

    def __init__(self, vocabulary: TokenBytes) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The characters that `token` completes."""
        return self._decoder.decode(self._vocabulary.of(token))

    def close(self) -> str:
        """U+FFFD if the stream ends inside a character, else nothing."""
        return self._decoder.decode(b"", final=True)
