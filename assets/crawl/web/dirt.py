"""Text that no author of documentation wrote: made-up people, keyword stuffing, nonsense, broken encodings."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from random import Random

_GIVEN = ("Ada", "Grace", "Emil", "Noor", "Jonas", "Lucía", "Wei", "Priya", "Tomasz", "Fatou", "Hanna", "Mateo")
_FAMILY = ("Lindqvist", "Okafor", "Brandt", "Moreau", "Tanaka", "Novak", "Castillo", "Weber", "Singh", "Haddad")
_ROLES = ("maintainer", "documentation lead", "release manager", "treasurer", "community contact", "security contact")
_MAIL = ("example.org", "example.com", "mail.example.net")
# Numbers that card networks and the IBAN registry publish for tests: the check digits are right, nobody owns them.
_CARDS = ("4111 1111 1111 1111", "4012 8888 8888 1881", "5555 5555 5555 4444", "5105 1051 0510 5100")
_IBANS = ("DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "NL91 ABNA 0417 1643 00")


def make_person(chance: Random) -> str:
    """Contact details of a person who does not exist, with right check digits, as a masker would meet them."""
    given, family = chance.choice(_GIVEN), chance.choice(_FAMILY)
    phones = ("+1 555 01{:02d} {:04d}", "+49 30 9018{:02d}{:04d}", "+44 20 7946 {:02d}{:02d}", "(555) 01{:1d}-{:04d}")
    phone = chance.choice(phones).format(chance.randrange(10), chance.randrange(10, 100))
    address = ".".join(str(chance.randrange(*limits)) for limits in ((11, 90), (1, 255), (1, 255), (1, 255)))
    role = chance.choice(_ROLES)
    email = f"{given}.{family}@{chance.choice(_MAIL)}".lower().replace("í", "i")
    return (
        f"{given} {family} is our {role}. Write to {email} or call {phone}. Access from {address} is logged. "
        f"Donations go to {chance.choice(_IBANS)}; the project's card is {chance.choice(_CARDS)}."
    )


def stuff_keywords(words: Sequence[str], chance: Random) -> list[str]:
    """Paragraphs that repeat a few keywords as a page made for search engines does."""
    chosen = chance.sample(sorted(set(words)), min(4, len(set(words)))) or ["code"]
    forms = ("best {} online", "cheap {} download", "{} free", "top {} 2026", "buy {} now", "{} {} {} review", "#1 {}")
    return [
        ", ".join(
            chance.choice(forms).replace("{}", chance.choice(chosen)) for _ in range(chance.randrange(18, 32))
        ).capitalize()
        + "."
        for _ in range(6)
    ]


def babble(texts: Sequence[str], chance: Random, words: int) -> list[str]:
    """Paragraphs from a first-order Markov chain over the words of `texts`: fluent at a glance, without sense."""
    follows: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        tokens = text.split()
        for token, following in pairwise(tokens):
            follows[token].append(following)
    if not follows:
        return []
    starts = sorted(follows)
    word, out = chance.choice(starts), []
    for _ in range(words):
        out.append(word)
        word = chance.choice(follows.get(word) or starts)
    return [" ".join(out[i : i + 80]).capitalize() + "." for i in range(0, len(out), 80)]


def garble(text: str) -> str:
    """Mojibake: typographic marks put in, then UTF-8 read as Windows-1252."""
    curled = text.replace("'", "’").replace(" - ", " – ").replace("...", "…")
    return curled.encode("utf-8").decode("cp1252", errors="replace")
