"""Which characters a page's bytes are, where the page itself may be wrong about it."""

import codecs
import re
from collections.abc import Iterator
from email.message import Message

from ftfy.badness import badness
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

META_BYTES = 4096
MAX_LOST = 0.01
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ISO_2022_JP = (b"\x1b$B", b"\x1b$@")
_META_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)


def decode(payload: bytes, content_type: str) -> str | None:
    """The text of a payload, or None where its bytes are no text.

    A byte order mark decides. Then bytes that are valid UTF-8 are UTF-8, whatever is declared:
    text in another encoding practically never is. Otherwise the header's charset, the one in the
    page, the one that the bytes look like and windows-1252 are all tried, and the one with the
    fewest lost characters and the least mojibake wins, declarations first where they are equal.
    None if the best of them loses more than 1 % of the characters.
    """
    for bom, encoding in _BOMS:
        if payload.startswith(bom):
            return _sound(payload[len(bom) :].decode(encoding, errors="replace"))
    declared = list(_declared(payload, content_type))
    if b"\0" in payload:
        return _decode_wide(payload)
    if payload.isascii() and any(escape in payload for escape in _ISO_2022_JP):
        return _sound(payload.decode("iso2022_jp", errors="replace"))
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        pass
    detected = detect_encoding(payload, max_len=len(payload), html5_compatible=False)
    if detected:
        declared.append(map_encoding_to_html5(detected, fallback_utf8=False) or detected)
    candidates = dict.fromkeys([*declared, "utf-8", "windows-1252"])
    texts = [payload.decode(encoding, errors="replace") for encoding in candidates if _is_known(encoding)]
    return _sound(min(texts, key=_damage))


def _declared(payload: bytes, content_type: str) -> Iterator[str]:
    """The encodings that the header and the page name, by WHATWG's rules (so ISO-8859-1 is windows-1252)."""
    header = Message()
    header["content-type"] = content_type.encode("ascii", "ignore").decode().replace("\n", " ").replace("\r", " ")
    names = [str(header.get_param("charset", ""))]
    meta = _META_CHARSET.search(payload[:META_BYTES])
    if meta:
        names.append(meta.group(1).decode("ascii", "ignore"))
    for name in names:
        encoding = map_encoding_to_html5(name.strip().lower(), fallback_utf8=False) if name else None
        if encoding:
            yield encoding


def _decode_wide(payload: bytes) -> str | None:
    """UTF-16 without a mark: mostly NULs at even or at odd places; other NULs mean bytes that are no text."""
    head = payload[:META_BYTES]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head) or min(even, odd) * 4 > max(even, odd):
        return None
    return _sound(payload.decode("utf-16-be" if even > odd else "utf-16-le", errors="replace"))


def _damage(text: str) -> int:
    """How little a text looks like one: lost characters, and places that look like mojibake."""
    return 10 * text.count("\ufffd") + badness(text)


def _sound(text: str) -> str | None:
    lost = text.count("\ufffd") + sum(text.count(control) for control in "\x01\x02\x03\x04\x05\x06\x07")
    return text if lost <= MAX_LOST * max(len(text), 100) else None


def _is_known(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        return False
