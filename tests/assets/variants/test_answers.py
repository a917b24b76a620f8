"""Which questions a page makes, and that the answers are its own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.crawl.web.config import WebConfig
from assets.crawl.web.rendering import render
from assets.crawl.web.site import build_web
from assets.documents import Document
from assets.extract.config import ExtractConfig
from assets.extract.page import Page, read_page
from assets.variants.answers import Answer, answers
from assets.variants.chat_config import ChatConfig
from tests.assets.tokens.corpora import page

URL = "http://a.docs.test/x"
NORM = """\
Home > numpy.linalg and a breadcrumb that is long

# numpy.linalg.norm(x, ord=None)

Matrix or vector norm of an array.

This function returns one of eight different norms:

```
>>> norm([3, 4])

5.0
```

## Parameters

An array of numbers, or what can be made one.

## numpy.linalg.det(a)

Compute the determinant of an array of numbers.
"""


DEFAULT = ChatConfig()


def answered(text: str, title: str = "", config: ChatConfig = DEFAULT) -> dict[str, str]:
    found = answers(page(URL, text, title=title), config)
    return {answer.subject.name: answer.text for answer in found if isinstance(answer, Answer)}


def test_an_object_is_answered_by_its_heading_and_first_paragraphs() -> None:
    assert answered(NORM, "numpy.linalg.norm") == {
        "numpy.linalg.norm": "numpy.linalg.norm(x, ord=None)\n\nMatrix or vector norm of an array.\n\n"
        "This function returns one of eight different norms:\n\n```\n>>> norm([3, 4])\n\n5.0\n```",
        "numpy.linalg.det": "numpy.linalg.det(a)\n\nCompute the determinant of an array of numbers.",
    }


def test_paragraphs_are_taken_while_they_fit_and_none_is_left_hanging() -> None:
    short = ChatConfig(min_answer_characters=10, max_answer_characters=90)
    assert answered(NORM, config=short)["numpy.linalg.norm"].endswith("\n\nMatrix or vector norm of an array.")


def test_a_page_is_known_by_its_first_heading_or_its_title() -> None:
    sentence = "The assert statement puts debugging assertions into a program."
    assert list(answered(f'# The "assert" statement\n\n{sentence}\n\n## Notes\n\n{sentence}')) == [
        'The "assert" statement'
    ]
    assert answered(sentence, "Assertions") == {"Assertions": f"Assertions\n\n{sentence}"}
    assert answered(sentence) == {}


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("This sentence has many words. " * 40, "too_long"),
        ("Some twenty characters.", "too_short"),
        ("It returns the token <|end|> where the turn of the user ends.", "special_token"),
    ],
)
def test_an_object_without_a_usable_answer_is_named_with_its_reason(section: str, reason: str) -> None:
    assert list(answers(page(URL, f"# a.b(c)\n\n{section}"), ChatConfig())) == [reason]


def test_one_question_has_one_answer() -> None:
    section = "# a.b(c)\n\nThe first of two descriptions of this function.\n"
    first, second = answers(page(URL, section + section.replace("first", "second")), ChatConfig())
    assert isinstance(first, Answer)
    assert "first of two" in first.text
    assert second == "repeated"


@given(
    text=st.lists(
        st.sampled_from(["# a.b(c)", "## T", "```", "", "Words that are a sentence.", "- x", "\r", "#", "w:"])
    ).map("\n".join)
)
def test_every_answer_is_made_of_the_page_s_own_lines(text: str) -> None:
    lines = {line.strip() for line in text.splitlines()} | {"", "a.b(c)", "T"}
    for answer in answers(page(URL, text, title="T"), ChatConfig(min_answer_characters=1)):
        if isinstance(answer, Answer):
            assert {line.strip() for line in answer.text.splitlines()} <= lines


def test_bounds_that_leave_no_answer_are_refused() -> None:
    with pytest.raises(ValidationError, match="no answer would be kept"):
        ChatConfig(min_answer_characters=50, max_answer_characters=49)


def test_the_objects_of_real_pages_are_found() -> None:
    (site,) = build_web(WebConfig(packages=(("stdlib:json",),)), 1).values()
    found: dict[str, str] = {}
    for address, shown in site.pages.items():
        rendered = render(site, shown)
        url = f"http://{site.host}{address}"
        extracted = read_page(rendered.body, rendered.headers[0][1], url, ExtractConfig())
        assert isinstance(extracted, Page)
        document: Document = page(url, extracted.text, title=extracted.title)
        found |= {a.subject.name: a.text for a in answers(document, ChatConfig()) if isinstance(a, Answer)}
    assert found["json.loads"].startswith("json.loads(s, *, cls=None")
    assert "Deserialize s (a str, bytes or bytearray instance" in found["json.loads"]
    assert found["json.JSONDecoder.decode"].endswith("(a str instance containing a JSON document).")
