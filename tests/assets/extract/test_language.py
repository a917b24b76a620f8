"""Languages, and honesty about texts that do not show one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.extract.language import UNDETERMINED, identify_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog while nobody is looking at it.", "en"),
        ("Der schnelle braune Fuchs springt über den faulen Hund, während niemand hinsieht.", "de"),
        ("Быстрая коричневая лиса прыгает через ленивую собаку, пока никто не смотрит.", "ru"),
        ("素早い茶色の狐が、誰も見ていない間に怠け者の犬を飛び越えます。", "ja"),
    ],
)
def test_sentences_are_recognised(text, language):
    found, score = identify_language(text, 0.5)
    assert found == language
    assert score > 0.8


@pytest.mark.parametrize("text", ["", "1 2 3", ">>> ", "-----", "x"])
def test_a_text_that_shows_no_language_is_undetermined(text):
    found, score = identify_language(text, 0.5)
    assert found == UNDETERMINED
    assert score < 0.5


def test_code_does_not_hide_the_language_of_the_prose():
    code = "```\n" + "self.assertEqual(len(dados), numero)\n" * 30 + "```\n"
    assert (
        identify_language(code + "This function counts the entries of a table and returns their number.", 0.5)[0]
        == "en"
    )


@given(st.text(max_size=200), st.floats(0, 1))
def test_any_text_gets_a_probability(text, min_score):
    language, score = identify_language(text.encode("utf-8", "replace").decode(), min_score)
    assert 0 <= score <= 1
    assert language == UNDETERMINED or score >= min_score
