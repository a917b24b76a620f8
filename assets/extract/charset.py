"""Which characters a page's bytes are, where the page itself may be wrong about it."""

import codecs

from ftfy.badness import badness
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom

HEAD_BYTES = 4096
MAX_LOST = 0.01
_ISO_2022_JP = (b"\x1b$B", b"\x1b$@")


def decode(payload: bytes, content_type: str) -> str | None:
    """The text of a payload, or None where its bytes are no text.

    A byte order mark decides. Then bytes that are valid UTF-8 are UTF-8, whatever is declared:
    text in another encoding practically never is. Otherwise the header's charset, the one in the
    page, the one that the bytes look like and windows-1252 are all tried, and the one with the
    fewest lost characters and the least mojibake wins, declarations first where they are equal.
    None if the best of them loses more than 1 % of the characters. A few NULs among them are left out.
    """
    encoding, mark = read_bom(payload)
    if encoding and mark:
        return _sound(payload[len(mark) :].decode(encoding, errors="replace"))
    if payload.count(0) > MAX_LOST * len(payload):
        return _decode_wide(payload)
    payload = payload.replace(b"\0", b"")
    if payload.isascii() and any(escape in payload for escape in _ISO_2022_JP):
        return _sound(payload.decode("iso2022_jp", errors="replace"))
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        pass
    looks = detect_encoding(payload, max_len=len(payload), html5_compatible=False)
    likely = looks and (map_encoding_to_html5(looks, fallback_utf8=False) or looks)
    candidates = (http_content_type_encoding(content_type), html_body_declared_encoding(payload), likely)
    encodings = filter(_is_known, dict.fromkeys([*filter(None, candidates), "utf-8", "windows-1252"]))
    return _sound(min((payload.decode(encoding, errors="replace") for encoding in encodings), key=_damage))


def _decode_wide(payload: bytes) -> str | None:
    """UTF-16 without a mark: mostly NULs at even or at odd places; other NULs mean bytes that are no text."""
    head = payload[:HEAD_BYTES]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head) or min(even, odd) * 4 > max(even, odd):
        return None
    return _sound(payload.decode("utf-16-be" if even > odd else "utf-16-le", errors="replace"))


def _is_known(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        return False


def _damage(text: str) -> int:
    """How little a text looks like one: lost characters, and places that look like mojibake."""
    return 10 * text.count("\ufffd") + badness(text)


def _sound(text: str) -> str | None:
    lost = text.count("\ufffd") + sum(text.count(control) for control in "\x01\x02\x03\x04\x05\x06\x07")
    return text if lost <= MAX_LOST * max(len(text), 100) else None
