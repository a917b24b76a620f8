"""Text of a token stream: whole characters from a byte-level BPE, up to the first stop string."""

import codecs
import json
from collections.abc import Sequence

from tokenizers import Tokenizer

from llm_core.generate.request import GenerationError


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
        kind = (json.loads(tokenizer.to_str()).get("decoder") or {}).get("type")
        if kind != "ByteLevel":
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

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones written out."""
        return b"".join(map(self.of, tokens)).decode(errors="replace")

    def label(self, token: int) -> str:
        """A token's own text; for part of a character, its bytes as ``bytes:\\xe2\\x82``, so that no two look alike."""
        raw = self.of(token)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


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


class StopScanner:
    """Passes a stream of text on until the first stop string, which is not passed on.

    Text that may yet turn out to begin a stop string is held back until it is decided.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """The text that may be shown now that `text` has come; sets `found` at the first stop string."""
        self._held += text
        hits = [(at + len(stop), at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if hits:
            # The first to be complete, as if the text had come one character at a time.
            _, at, self.found = min(hits)
            shown, self._held = self._held[:at], ""
            return shown
        end = len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0)
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def close(self) -> str:
        """What was held back, once no more text can come."""
        return self._held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, short of all of it."""
    longest = min(len(text), len(stop) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)
