from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from assets.documents import Document
from assets.questions import documented_objects, questions

PAGE = """\
You are here: home, mills.

# mill.gates.open_gate(width, *, slowly=True) -> None

Let the tide in through one gate. The others stay shut.

```
# not a heading
open_gate(3)
```

## Parameters

- width: in metres

## Notes

The gate is made of oak, as they all are.

# mill.gates.shut

Keep the tide in until it turns.
"""


def document(text: str, title: str = "Gates", name: str = "gates") -> Document:
    return Document(id=name, url=f"http://www.mill.test/{name}", text=text, snapshot="2026-01-05", title=title)


def test_a_heading_with_prose_below_it_is_a_subject():
    found = documented_objects(document(PAGE))
    assert [subject.name for subject in found] == ["mill.gates.open_gate", "mill.gates.shut"]
    first = found[0]
    assert first.signature == "(width, *, slowly=True) -> None"
    assert first.sentence == "Let the tide in through one gate."
    assert "# not a heading" in first.text


def test_readers_ask_for_what_has_a_name_and_for_what_the_page_is_about():
    names = [subject.name for subject in documented_objects(document(PAGE))]
    assert names == ["mill.gates.open_gate", "mill.gates.shut"]
    prose = "# How a mill turns\n\nThe tide comes in twice a day.\n\n## Notes\n\nIt goes out twice a day too."
    assert [subject.name for subject in documented_objects(document(prose))] == ["How a mill turns"]


def test_a_page_without_headings_is_about_its_title():
    (subject,) = documented_objects(document("The tide comes in twice a day. It also goes out.", title="Tides"))
    assert (subject.name, subject.sentence) == ("Tides", "The tide comes in twice a day.")


@pytest.mark.parametrize(
    "text", ["", "# Only a heading", "# Gates\n\n- a\n- b", "```\n# code\nnever ends", "# A\n\nShort."]
)
def test_a_page_without_a_sentence_has_no_subject(text):
    assert documented_objects(document(text, title="")) == []
    assert questions([document(text, title="")], seed=0, count=5) == []


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_text_can_be_read(text, title):
    for subject in documented_objects(document(text, title)):
        assert subject.name
        assert 20 <= len(subject.sentence) <= 240


def test_the_seed_decides_the_questions():
    pages = [document(PAGE.replace("mill.", f"mill{number}.")) for number in range(50)]
    assert questions(pages, seed=1, count=30) == questions(pages, seed=1, count=30)
    assert questions(pages, seed=1, count=30) != questions(pages, seed=2, count=30)


def test_each_document_is_asked_about_as_often_as_any_other_from_first_to_last():
    names = [f"mill.gate{number}" for number in range(10)]
    pages = [document(f"# {name}(width)\n\nLet the tide in through one gate.") for name in names]
    asked = questions(iter(pages), seed=3, count=5000)
    drawn = Counter(name for text in asked for name in names if name in text)
    assert 0.6 * 5000 < drawn.total() < 5000, "some wordings quote and do not name"
    assert chisquare([drawn[name] for name in names]).pvalue > 0.001


def test_few_documents_are_asked_about_again():
    assert len(questions([document(PAGE)], seed=0, count=40)) == 40


def test_no_question_speaks_for_the_chat_template():
    speak = "# mill.speak\n\nWrites <|assistant|> where the answer begins."
    text = f"{speak}\n\n# mill.listen\n\nWaits until the tide has turned."
    asked = questions([document(text)], seed=0, count=50)
    assert len(asked) == 50
    assert not any("<|assistant|>" in text or "mill.speak" in text for text in asked)
