"""Text that no author of documentation wrote: made-up people, keyword stuffing, nonsense, broken encodings."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from random import Random

_GIVEN = ("Ada", "Grace", "Emil", "Noor", "Jonas", "Lucía", "Wei", "Priya", "Tomasz", "Fatou", "Hanna", "Mateo")
_FAMILY = ("Lindqvist", "Okafor", "Brandt", "Moreau", "Tanaka", "Novak", "Castillo", "Weber", "Singh", "Haddad")
_ROLES = ("maintainer", "documentation lead", "release manager", "treasurer", "community contact", "security contact")
_MAIL = ("example.org", "example.com", "mail.example.net")
_BANKS = (("DE", "{:08d}{:010d}"), ("GB", "NWBK{:06d}{:08d}"), ("NL", "ABNA{:010d}"))


def make_person(chance: Random) -> str:
    """Contact details of a person who does not exist, with right check digits, as a masker would meet them."""
    given, family = chance.choice(_GIVEN), chance.choice(_FAMILY)
    phones = ("+1 555 01{:02d} {:04d}", "+49 30 9018{:02d}{:04d}", "+44 20 7946 {:02d}{:02d}", "(555) 01{:1d}-{:04d}")
    phone = chance.choice(phones).format(chance.randrange(10), chance.randrange(10, 100))
    address = ".".join(str(chance.randrange(*limits)) for limits in ((11, 90), (1, 255), (1, 255), (1, 255)))
    role = chance.choice(_ROLES)
    email = f"{given}.{family}@{chance.choice(_MAIL)}".lower().replace("í", "i")
    card, iban = make_card(chance), make_iban(chance)
    return (
        f"{given} {family} is our {role}. Write to {email} or call {phone}. Access from {address} is logged. "
        f"Donations go to {iban}; the project's card is {card}."
    )


def make_card(chance: Random) -> str:
    """A 16-digit card number that passes Luhn's check (ISO/IEC 7812-1), in groups of four."""
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    doubled = [d if place % 2 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits)]
    digits.append(-sum(doubled) % 10)
    text = "".join(map(str, digits))
    return " ".join(text[i : i + 4] for i in range(0, 16, 4))


def make_iban(chance: Random) -> str:
    """An account number that passes the mod-97 check (ISO 13616), in groups of four."""
    country, form = chance.choice(_BANKS)
    account = form.format(chance.randrange(10**6), chance.randrange(10**8))
    checked = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")
    text = f"{country}{98 - int(checked) % 97:02d}{account}"
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


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
