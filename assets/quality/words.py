"""Words of a text, in any script, with nothing to download."""

import re

from assets.shingles import UNSPACED

# A character of a script that is written without spaces counts as a word.
SPACED_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
PLAIN_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
SYMBOL_OR_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|[^\w\s]|_")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
DIGIT = re.compile(r"\d")


def spaced_words(text: str) -> list[str]:
    """Runs between spaces, punctuation and all: what Gopher's and FineWeb's rules count.

    >>> spaced_words("x = norm(y)  # 二重")
    ['x', '=', 'norm(y)', '#', '二', '重']
    """
    return SPACED_WORD.findall(text)


def plain_words(text: str) -> list[str]:
    """Runs of letters and digits in lower case: what two texts share when layout and punctuation differ.

    >>> plain_words("Return the L2_norm.")
    ['return', 'the', 'l2', 'norm']
    """
    return PLAIN_WORD.findall(text.lower())


def symbols_and_words(text: str) -> list[str]:
    """Lower-case words and single symbols, every digit a 0: the classifier's features.

    No token holds an underscore and a letter, so no text can pose as a fastText label.
    """
    return SYMBOL_OR_WORD.findall(DIGIT.sub("0", text.lower()))
