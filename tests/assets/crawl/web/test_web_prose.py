"""Docstrings as HTML."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from assets.crawl.web.prose import first_paragraph, to_html


def nowhere(name: str) -> None:
    return None


def test_numpy_style_parameters_become_a_list_or_a_table():
    text = "Norm.\n\nParameters\n----------\nx : array\n    The input,\n    any length.\nord : int\n    The order."
    tree = html.fromstring(to_html(text, nowhere))
    assert [node.text_content() for node in tree.iter("dt")] == ["x : array", "ord : int"]
    assert next(tree.iter("h2")).text == "Parameters"
    table = html.fromstring(to_html(text, nowhere, has_tables=True))
    assert [len(row) for row in table.iter("tr")] == [2, 2]


def test_google_style_arguments_become_a_list():
    tree = html.fromstring(
        to_html("Do it.\n\nArgs:\n    x (int): How often.\n    y: Why,\n        at length.\n", nowhere)
    )
    assert [node.text for node in tree.iter("dt")] == ["x (int)", "y"]


def test_examples_are_code_and_names_are_linked():
    text = "See :func:`sum` and `other`.\n\n>>> sum([1, 2]) < 4\nTrue\n\nAs in::\n\n    a = b\n"
    tree = html.fromstring(to_html(text, {"sum": "/sum.html"}.get))
    assert [node.text_content() for node in tree.iter("pre")] == [">>> sum([1, 2]) < 4\nTrue", "a = b"]
    assert [(a.get("href"), a.text_content()) for a in tree.iter("a")] == [("/sum.html", "sum")]


def test_the_first_paragraph_is_plain_words():
    assert first_paragraph("Return ``x`` or\n:class:`Tide`.\n\nMore.") == "Return x or Tide."


@given(st.text(alphabet=st.sampled_from("ab :`*<>&\n-=.>"), max_size=120))
def test_any_text_gives_balanced_html_with_every_word(text):
    out = to_html(text, nowhere)
    seen: list[str] = []
    stack: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

        def handle_data(self, data):
            seen.append(data)

    reader = Reader()
    reader.feed(out)
    reader.close()
    assert stack == []
    letters = [letter for letter in text if letter in "ab"]
    assert sorted(letter for letter in "".join(seen) if letter in "ab") == sorted(letters)
