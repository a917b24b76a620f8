import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.monitor.features import STATISTICS, asked_text, text_statistics, word_presence, words_of


def test_the_marks_of_the_chat_template_are_not_part_of_the_question():
    assert asked_text("<|bos|><|user|>What is a sluice?<|end|><|assistant|>") == "What is a sluice?"
    assert asked_text("a <| b |> c") == "a <| b |> c"


def test_names_come_apart_into_words():
    assert words_of("Does np.linalg.norm_of(openGate2) work?") == (
        "does", "np", "linalg", "norm", "of", "open", "gate", "work",
    )  # fmt: skip


def test_statistics_describe_length_and_make_up():
    (row,) = text_statistics(["Ab 1,\né_."])
    assert dict(zip(STATISTICS, row, strict=True)) == {
        "characters": 9,
        "words": 3,
        "characters per word": pytest.approx(7 / 3),
        "distinct words": 1,
        "lines": 2,
        "capitals": pytest.approx(1 / 9),
        "digits": pytest.approx(1 / 9),
        "punctuation": pytest.approx(1 / 9),
        "dots and underscores": pytest.approx(2 / 9),
        "beyond ASCII": pytest.approx(1 / 9),
    }


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_any_texts_have_finite_features(texts):
    assert np.isfinite(text_statistics(texts)).all()
    presence, names = word_presence(texts)
    assert presence.shape == (len(texts), len(names))
    assert [sorted(set(words_of(text))) for text in texts] == [
        [names[column] for column in sorted(row.nonzero()[1])] for row in presence
    ]
