"""Pages that sell: the phrases that link farms repeat."""

from assets.documents import Document
from assets.quality.filters import Verdict, quality_filter
from assets.quality.words import plain_words

PHRASES = (
    *("buy now", "click here", "order now", "best price", "cheap", "casino", "viagra", "free shipping"),
    *("limited offer", "limited time", "act now", "discount", "win big", "jackpot", "payday loan", "weight loss"),
    *("make money", "subscribe now", "best seo", "backlinks"),
)


@quality_filter("spam")
def spam(
    document: Document,
    *,
    max_phrases_per_100_words: float = 2.0,
    min_phrases: int = 3,
    phrases: tuple[str, ...] = PHRASES,
) -> Verdict:
    """Drops pages that repeat selling phrases: at least `min_phrases`, and more than so many in 100 words."""
    words = plain_words(document.text)
    text = f" {' '.join(words)} "
    found = sum(text.count(f" {phrase} ") for phrase in phrases)
    rate = 100 * found / max(len(words), 1)
    return ("selling", round(rate, 4)) if found >= min_phrases and rate > max_phrases_per_100_words else None
