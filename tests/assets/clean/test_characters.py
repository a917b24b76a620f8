"""Characters are repaired where they are wrong, and code keeps its words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.clean.characters import repair_characters, tidy_lines


def repaired(text: str) -> str:
    return repair_characters(text).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cafÃ© isnâ€™t open", "The café isn’t open"),
        ("The cafe\u0301 is open", "The café is open"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("left\u202eto\u202cright\u2066x\u2069", "lefttorightx"),
        ("bell\x07 null\x00 escape\x1b[31m red", "bell null escape red"),
        ("a\u00a0b\u3000c\u2009d", "a b c d"),
        ("one\r\ntwo\rthree\u2028four\x0cfive", "one\ntwo\nthree\nfour\nfive"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ],
)
def test_what_is_wrong_is_mended(text, expected):
    assert repaired(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "&amp; and &lt;b&gt; in a page about HTML",
        "“curly” – quotes — and dashes…",
        "ﬁ ligature, ｆｕｌｌ width, ½, ①, x²",
        "\tindented\twith tabs",
        "می‌خواهم",  # Persian needs its zero-width non-joiner
        "👩‍💻 and 👨‍👩‍👧",  # emoji are joined
        "日本語とРусский и ελληνικά",
    ],
)
def test_what_is_meant_stays(text):
    assert repaired(text) == text


def test_joiners_between_latin_letters_go():
    assert repaired("pass\u200dword \u200cx") == "password x"


def test_code_keeps_mojibake_that_it_shows_and_loses_what_cannot_be_seen():
    text = "```\nassert fix('cafÃ©') == 'café'\u202e\n```\n>>> 'cafÃ©'\nA cafÃ©."
    assert repaired(text) == "```\nassert fix('cafÃ©') == 'café'\n```\n>>> 'cafÃ©'\nA café."


def test_repairs_are_counted():
    result = repair_characters("a\u200bb\x00\nThe cafÃ©\nsound")
    assert (result.characters_removed, result.lines_repaired) == (2, 1)


def test_mojibake_stays_where_the_spec_says_so():
    assert repair_characters("The cafÃ©", repair_mojibake=False).text == "The cafÃ©"


def test_blank_lines_and_line_ends_are_tidied_outside_code():
    text = "\n\nOne  \n\n\n\n\nTwo\n```\ncode  \n\n\n\n    more\n```\n\n"
    assert tidy_lines(text, 2) == "One\n\n\nTwo\n```\ncode  \n\n\n\n    more\n```"


def test_the_indentation_of_the_first_line_is_kept():
    assert tidy_lines("\n    x = 1\n    y = 2\n", 1) == "    x = 1\n    y = 2"


@given(st.text())
def test_repair_is_idempotent_and_leaves_no_control_character(text):
    once = repaired(text)
    assert repaired(once) == once
    assert not [c for c in once if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]


@given(st.text("ab \n`>.\t"), st.integers(1, 3))
def test_tidying_is_idempotent(text, blank_lines):
    once = tidy_lines(text, blank_lines)
    assert tidy_lines(once, blank_lines) == once


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_sound_ascii_is_never_touched(text):
    assert repaired(text) == text
