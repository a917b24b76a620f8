"""Personal data in text, replaced by typed placeholders: addresses, numbers and keys that name or open something.

Found by form and, where the type has them, by check digits; what documentation uses as an example
(reserved domains and addresses, fictional numbers, well-known test keys) is left alone.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import tldextract

PiiKind = Literal["email", "phone", "ip", "card", "iban", "key"]
PII_KINDS: tuple[PiiKind, ...] = get_args(PiiKind)
MAX_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with its personal data replaced, and how many of each kind were."""

    text: str
    counts: Mapping[PiiKind, int]


def mask_pii(text: str, kinds: Collection[PiiKind]) -> Masked:
    """Replace personal data of these kinds by `<EMAIL>`, `<PHONE>`, `<IP>`, `<CARD>`, `<IBAN>`, `<KEY>`.

    Masking a masked text changes nothing, unless it was made to take over `MAX_ROUNDS`. Cards are
    checked by Luhn's digit (ISO/IEC 7812) and issuer, IBANs by mod 97 and their country's length
    (ISO 13616), IP addresses must be globally routable; mail domains reserved for examples (RFC
    2606) and the example keys of manuals stay.
    """
    counts: Counter[PiiKind] = Counter()
    for _ in range(MAX_ROUNDS):  # a placeholder may free what stood next to it
        before = text
        for kind, find in _FINDERS.items():
            if kind in kinds:
                text = _mask(text, kind, find(text), counts)
        if text == before:
            break
    return Masked(text, dict(counts))


Spans = Iterator[tuple[int, int]]


def _mask(text: str, kind: PiiKind, spans: Spans, counts: Counter[PiiKind]) -> str:
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        if start >= end:
            parts += text[end:start], f"<{kind.upper()}>"
            end = stop
            counts[kind] += 1
    return "".join([*parts, text[end:]])


# mail addresses

_EMAIL = re.compile(
    r"(?<![\w.+%-])[a-z0-9][\w.+%-]{0,63}@(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_][\w-]{1,23}(?![\w@(-])",
    re.IGNORECASE,
)
_URL_USER = re.compile(r"\w://[^\s/@]*$")
_EXAMPLE_DOMAIN = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost)$")


def _emails(text: str) -> Spans:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        name, _, domain = match.group().lower().partition("@")
        if domain.rpartition(".")[2] not in _top_level_domains() or _EXAMPLE_DOMAIN.search(domain):
            continue  # `x@self.weight` is a matrix product
        if name == "git" or _URL_USER.search(text, max(0, match.start() - 80), match.start()):
            continue  # where a repository or a database lies, not whom to write to
        yield match.span()


@lru_cache(maxsize=1)
def _top_level_domains() -> frozenset[str]:
    """Top-level domains by the public suffix list that ships with tldextract; nothing is fetched."""
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None).tlds
    return frozenset(suffix.rpartition(".")[2] for suffix in suffixes)


# IP addresses

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9a-f]{3}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE | re.ASCII)
_VERSION_BEFORE = re.compile(r"(?:version|release|\bv|[=<>~^]=?)\s*[\"']?$", re.IGNORECASE)
# Public resolvers, and an address that manuals make up.
_NOBODYS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "123.45.67.89"})
_LARGEST_VERSION_PART = 19


def _ips(text: str) -> Spans:
    for match in _IPV4.finditer(text):
        parts = match.group().split(".")
        if any((len(part) > 1 and part[0] == "0") or int(part) > 255 for part in parts):
            continue
        is_version = max(map(int, parts)) <= _LARGEST_VERSION_PART or _VERSION_BEFORE.search(
            text, max(0, match.start() - 12), match.start()
        )
        if not is_version and match.group() not in _NOBODYS and ipaddress.IPv4Address(match.group()).is_global:
            yield match.span()
    for match in _IPV6.finditer(text):
        try:
            is_global = ipaddress.IPv6Address(match.group()).is_global
        except ValueError:
            continue
        if is_global:
            yield match.span()


# payment cards and bank accounts (a bare number after a bracket or an equals sign is a literal in code)

_CARD = re.compile(r"(?<![\w.+(\[=-])[1-6]\d{3}(?:[ -]?\d){9,15}(?![\w-]|\.\d)", re.ASCII)
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|(?:1800|2131)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}"
    r"|(?:50|5[6-8]|6[013-9])\d{11,17}",
    re.ASCII,
)
_IBAN_START = re.compile(r"(?<![\w])[a-z]{2}\d\d(?= ?[a-z0-9])", re.IGNORECASE | re.ASCII)
# Characters of an IBAN by country (SWIFT's registry).
_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}


def _cards(text: str) -> Spans:
    for match in _CARD.finditer(text):
        digits = re.sub("[ -]", "", match.group())
        if len(set(digits)) > 2 and _ISSUERS.fullmatch(digits) and has_luhn_digit(digits):
            yield match.span()


def has_luhn_digit(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _ibans(text: str) -> Spans:
    for match in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2].upper())
        account = length and re.compile(rf"(?:[a-z0-9] ?){{{length - 1}}}[a-z0-9](?!\w)", re.I | re.A).match(
            text, match.start()
        )
        if account and has_iban_digits(account.group().replace(" ", "")):
            yield account.span()


def has_iban_digits(iban: str) -> bool:
    """Whether an IBAN without spaces is 1 modulo 97, as ISO 13616 asks."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


# telephone numbers

_PHONES = tuple(
    re.compile(pattern.encode(), re.IGNORECASE)
    for pattern in (
        # international: + or 00, country code, then groups
        r"(?<![\w+.)-])(?<!\d )(?:\+|00(?=[1-9]\d?\d?[ -]))[1-9]\d{0,2}(?:[ .-]?\(0?\d{1,4}\))?[ .-]?\d{2,}"
        r"(?:[ .-]\d{2,}){0,5}(?: ?x\d{1,6})?(?![\w-]|\.\d)",
        # North America: area and exchange begin with 2–9
        r"(?<![\w+./-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([.-]))[2-9]\d\d[.-]\d{4}(?:x\d{1,6})?(?![\w-]|\.\d)",
        # national with the trunk prefix 0
        r"(?<![\w+.,/-])(?<!\d )\(?0[1-9]\d{0,3}\)?(?:[ /-]\d{2,8}){1,4}(?![\w-]|[.,]\d| \d)",
        # any long or grouped digits after a word that announces them
        r"(?<=[\s:.])(?<!\d )(?:\d{9,12}|\d{2,5}(?:[ -]\d{2,6}){1,4})(?![\w-]|[.,]\d| \d)",
    )
)
_ANNOUNCED = re.compile(
    r"\b(?:tel|telephone|phone|mobile|cell|desk|fax|whatsapp|hotline|(?:call|reach)(?: (?:me|us))?(?: (?:at|on))?)\b"
    r"[^\d]{0,24}$",
    re.IGNORECASE,
)
_FICTIONAL = re.compile(r"55501\d\d$")
_DATE = re.compile(r"(?:19|20)\d\d[ -]\d\d?[ -]\d\d?|\d\d[ -]\d\d[ -](?:19|20)\d\d")


def _phones(text: str) -> Spans:
    spans = []
    for place, pattern in enumerate(_PHONES):
        ahead, stop = bytearray(text, "ascii", "replace"), 0  # a byte for each character
        while match := pattern.search(ahead, stop):
            start, stop = match.span()
            number = text[start:stop]
            digits = re.sub(r"\D", "", number.lower().partition("x")[0])
            shortest = 7 if place == 3 else 9
            if not shortest <= len(digits) <= 15 or _FICTIONAL.search(digits) or _DATE.match(number):
                continue
            if place == 2 and len(digits) > 11:
                continue
            if place == 3 and not _ANNOUNCED.search(text, max(0, start - 40), start):
                continue
            spans.append((start, stop))
            ahead[start:stop] = b">" * (stop - start)  # as its placeholder ends, so that one pass takes a whole list
    yield from sorted(spans)


# keys and tokens

_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:(?!-----)[\s\S]){20,10000}-----END (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|(?<![\w-])(?:"
    r"sk-(?:ant-|proj-|or-)?[\w-]{20,200}|(?:sk|rk|pk)_(?:live|test)_\w{16,120}|gh[pousr]_[A-Za-z0-9]{36,255}"
    r"|github_pat_\w{40,120}|glpat-[\w-]{20,64}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,400}"
    r"|xox[abposr]-[\w-]{10,250}|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,300}|dop_v1_[a-f0-9]{64}"
    r"|SG\.[\w-]{16,32}\.[\w-]{32,64}|eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,2000}"
    r")(?![\w-])",
    re.ASCII,
)
_EXAMPLE_KEY = re.compile(r"example|your|xxxx|1234567890|abcdef|\.\.\.", re.IGNORECASE)
_FEWEST_KEY_CHARACTERS = 8


def _keys(text: str) -> Spans:
    for match in _KEY.finditer(text):
        if not _EXAMPLE_KEY.search(match.group()) and len(set(match.group())) >= _FEWEST_KEY_CHARACTERS:
            yield match.span()


# In this order: what is found first is no longer there for the others.
_FINDERS: dict[PiiKind, Callable[[str], Spans]] = {
    "key": _keys,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ip": _ips,
    "phone": _phones,
}
