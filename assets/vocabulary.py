"""The vocabulary as stages use it: special tokens with fixed ids, and text that can never become one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer

from resources.errors import InputError

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = (BOS, EOS, PAD, USER, ASSISTANT, END)
"""The special tokens; the place of each is its id."""

TOKENIZER_FILE = "tokenizer.json"
TEMPLATE_FILE = "chat_template.jinja"


@dataclass(frozen=True)
class Vocabulary:
    """A trained tokenizer with the special tokens in their places."""

    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the tokenizer of an artifact's folder.

        Raises:
            InputError: if it is none, or its special tokens have other ids.
        """
        path = folder / TOKENIZER_FILE
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises nothing more special
            raise InputError(f"{path} is no tokenizer ({error}); run `tidemill verify`") from error
        for number, token in enumerate(SPECIAL_TOKENS):
            found = tokenizer.token_to_id(token)
            if found != number:
                raise InputError(f"{path}: {token} has the id {found}, not {number}; make the tokenizer anew")
        return cls(tokenizer)

    @property
    def size(self) -> int:
        """Number of ids, special ones included."""
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts as plain text: what looks like a special token is encoded letter by letter."""
        self.tokenizer.encode_special_tokens = True
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_rendered(self, text: str) -> list[int]:
        """The ids of what a chat template wrote, whose special tokens are meant."""
        self.tokenizer.encode_special_tokens = False
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)


def same_tokenizer(one: Path, other: Path) -> bool:
    """Whether two folders hold the same tokenizer; a corpus that changed makes another, with other ids for a text."""
    return (one / TOKENIZER_FILE).read_bytes() == (other / TOKENIZER_FILE).read_bytes()
