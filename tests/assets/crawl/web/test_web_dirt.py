"""Made-up data has the form that real data has."""

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from assets.crawl.web.dirt import babble, garble, make_person, stuff_keywords


@given(st.integers(0, 10_000))
def test_card_and_account_numbers_pass_their_checks(seed):
    text = make_person(Random(seed))
    (card,) = re.findall(r"card is ([\d ]+)\.", text)
    digits = [int(digit) for digit in card.replace(" ", "")]
    assert len(digits) == 16
    assert (sum(digits[-1::-2]) + sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])) % 10 == 0
    (iban,) = (found.replace(" ", "") for found in re.findall(r"go to ([\dA-Z ]+);", text))
    assert int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1
    assert len(iban) == {"DE": 22, "GB": 22, "NL": 18}[iban[:2]]


def test_people_are_the_same_for_the_same_seed():
    assert make_person(Random(3)) == make_person(Random(3)) != make_person(Random(4))


def test_stuffed_pages_repeat_themselves_and_babble_uses_known_words():
    words = " ".join(stuff_keywords(["norm", "array", "matrix"], Random(1))).lower().split()
    assert len(set(words)) / len(words) < 0.2
    nonsense = " ".join(babble(["the sea is high", "the moon is far"], Random(1), 50)).lower().replace(".", "")
    assert set(nonsense.split()) == {"the", "sea", "is", "high", "moon", "far"}


def test_mojibake_can_be_mended_by_reversing_it():
    assert garble("it's 5 - 3...") == "itâ€™s 5 â€“ 3â€¦"
    assert garble("it's").encode("cp1252").decode() == "it’s"
