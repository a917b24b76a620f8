"""Log-probabilities in the two shapes of OpenAI's interface."""

from collections.abc import Sequence
from typing import Any

from llm_core.generate.request import ScoredToken
from llm_core.generate.text_stream import TextStream, TokenBytes


def token_text(vocabulary: TokenBytes, token: int) -> str:
    """A token's own text; for part of a character, its bytes as ``bytes:\\xe2\\x82``, so that no two look alike."""
    raw = vocabulary.of(token)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def decode(vocabulary: TokenBytes, tokens: Sequence[int]) -> str:
    """The text of tokens, special ones written out."""
    stream = TextStream(vocabulary)
    return "".join([*map(stream.push, tokens), stream.close()])


def text_offsets(vocabulary: TokenBytes, tokens: Sequence[int]) -> list[int]:
    """Where each token begins in the text of all, in characters."""
    stream, offsets, length = TextStream(vocabulary), [], 0
    for token in tokens:
        offsets.append(length)
        length += len(stream.push(token))
    return offsets


def completion_logprobs(
    vocabulary: TokenBytes, tokens: Sequence[ScoredToken], offsets: Sequence[int]
) -> dict[str, Any]:
    """The ``logprobs`` of a text completion; a prompt's first token has none.

    The alternatives always contain the token itself, so a token is the likeliest exactly if none of them is higher
    (lm-eval's test of greedy answers).
    """

    def alternatives(token: ScoredToken) -> dict[str, float] | None:
        if token.logprob is None:
            return None
        return {token_text(vocabulary, id_): value for id_, value in (*token.top, (token.id, token.logprob))}

    return {
        "tokens": [token_text(vocabulary, token.id) for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [alternatives(token) for token in tokens],
        "text_offset": list(offsets),
    }


def chat_logprobs(vocabulary: TokenBytes, tokens: Sequence[ScoredToken]) -> dict[str, Any]:
    """The ``logprobs`` of a chat completion."""

    def entry(id_: int, logprob: float | None) -> dict[str, Any]:
        return {"token": token_text(vocabulary, id_), "logprob": logprob, "bytes": list(vocabulary.of(id_))}

    content = [
        {**entry(token.id, token.logprob), "top_logprobs": [entry(*top) for top in token.top]} for token in tokens
    ]
    return {"content": content}
