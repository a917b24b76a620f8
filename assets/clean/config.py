"""What the spec says about cleaning."""

from pydantic import Field

from assets.config import Config
from assets.pii import PII_KINDS, PiiKind


class CleanConfig(Config):
    """What is repaired, removed and masked in the text of documents."""

    repair_mojibake: bool = True
    """Whether text that was decoded wrongly is repaired (ftfy) and brought to NFC; code blocks never are."""
    max_blank_lines: int = Field(2, ge=1)
    """Most blank lines that stay in a row outside code blocks, in lines."""
    boilerplate_share: float = Field(0.3, gt=0, le=1)
    """Share of a host's pages above which a line is boilerplate, in (0, 1]; 1 removes none."""
    boilerplate_min_pages: int = Field(10, ge=2)
    """Fewest pages of a host in a snapshot from which its boilerplate is told; till then a host keeps all lines."""
    short_line_words: int = Field(3, ge=1)
    """Words below which a line is short, in words: section names such as `See also` repeat rightly."""
    boilerplate_share_short: float = Field(0.8, gt=0, le=1)
    """Share of a host's pages above which a short line is boilerplate (a menu's entries), in (0, 1]; 1 removes none."""
    pii: tuple[PiiKind, ...] = PII_KINDS
    """Kinds of personal data to mask: email, phone, ip, card, iban, key; an empty list masks nothing."""
