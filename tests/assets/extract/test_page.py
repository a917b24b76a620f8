"""What is read from one page: text that keeps its structure, title, licence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.extract.config import ExtractConfig
from assets.extract.main_text import mark_structure
from assets.extract.page import Page, Refused, read_page

URL = "http://a.test/page"
DOCUMENTATION = """<!DOCTYPE html><html lang=en><head><title>numpy.dot &amp; friends</title></head><body>
<nav><a href=/>Home</a> <a href=/index>Index</a></nav>
<div class="cookie-notice">We use cookies to remember your theme.</div>
<main><h1>numpy.dot</h1>
<dl class="py function"><dt class=sig><span>numpy.</span><span>dot</span>(<em>a</em>, <em>b</em>, out=None)</dt>
<dd><p>Dot product of two
   arrays. If <code>a &lt; b</code>, nothing happens.</p>
<ul><li>If both are 1-D, it is the inner product.<ul><li>Without conjugation.</li></ul></li><li>Else a sum.</li></ul>
<ol><li>First.</li><li>Second.</li></ol>
<h2>Examples</h2>
<pre class=highlight><code>&gt;&gt;&gt; def f(x):
...     if x:
...         return  1

&gt;&gt;&gt; f(2)
1
</code></pre></dd></dl></main><aside>Related pages</aside><footer>Copyright 2020</footer></body></html>"""


def read(html: str, **config) -> Page | Refused:
    return read_page(html.encode(), "text/html; charset=utf-8", URL, ExtractConfig(**config))


def article(head: str = "", body: str = "<p>Some words to read.</p>") -> str:
    return f"<html><head>{head}</head><body><main>{body}</main></body></html>"


def test_documentation_keeps_headings_signatures_lists_and_code():
    assert read(DOCUMENTATION).text == (
        "# numpy.dot\n\n"
        "numpy.dot(a, b, out=None)\n\n"
        "Dot product of two arrays. If a < b, nothing happens.\n\n"
        "- If both are 1-D, it is the inner product.\n"
        "  - Without conjugation.\n"
        "- Else a sum.\n"
        "1. First.\n"
        "2. Second.\n\n"
        "## Examples\n\n"
        "```\n"
        ">>> def f(x):\n"
        "...     if x:\n"
        "...         return  1\n"
        "\n"
        ">>> f(2)\n"
        "1\n"
        "```"
    )


def test_a_page_whose_main_content_is_missed_is_read_from_its_body():
    links = "".join(f"<div class=card><h3><a href=/{n}>Guide {n}</a></h3><p>Part {n}.</p></div>" for n in range(30))
    body = f"<header>Menu</header><div class='sidebar list'>{links}</div><footer>Legal notice</footer>"
    text = read(f"<html><body>{body}</body></html>").text
    assert "Guide 29" in text
    assert "Menu" not in text
    assert "Legal notice" not in text


def test_escaped_tags_in_a_text_stay_text():
    assert read(article(body="<p>Write &lt;h1&gt;, not &amp;lt;h1&gt;.</p>")).text == "Write <h1>, not &lt;h1>."


def test_code_that_shows_fences_is_not_fenced_again():
    assert read(article(body="<pre>```\nx\n```</pre>")).text == "```\nx\n```"


@pytest.mark.timeout(30)
def test_code_that_never_ends_is_looked_through_once():
    assert mark_structure("<pre>" * 200_000 + "x</pre>") == "<pre>" * 200_000 + "```\nx\n```</pre>"


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title> Two\n words </title>", "<h1>Heading</h1>", "Two words"),
        ("", "<h1>Only a heading</h1>", "Only a heading"),
        ("", "<p>Nothing</p>", ""),
    ],
)
def test_the_title_is_the_pages_own_or_its_first_heading(head, body, title):
    assert read(article(head, body + "<p>Some words.</p>")).title == title


@pytest.mark.parametrize(
    ("markup", "license"),
    [
        ("<link rel='license' href='https://creativecommons.org/licenses/by-sa/4.0/'>", "CC-BY-SA-4.0"),
        ("<link rel='license' href='//creativecommons.org/publicdomain/zero/1.0/'>", "CC0-1.0"),
        ("<link rel='license' href='https://opensource.org/licenses/MIT'>", "MIT"),
        ("<link rel='license' href='/license.html' title='BSD-3-Clause'>", "BSD-3-Clause"),
        ("<link rel='license' href='/license.html'>", "http://a.test/license.html"),
        ("<meta name='dc.rights' content='Apache-2.0'>", "Apache-2.0"),
        ("<meta name='DCTERMS.license' content='https://spdx.org/licenses/PSF-2.0.html'>", "PSF-2.0"),
        ("<meta name='description' content='a license to read'>", ""),
    ],
)
def test_the_licence_is_found_where_pages_state_it(markup, license):
    assert read(article(markup)).license == license


def test_plain_text_passes_as_it_is():
    source = "# Title of it\r\n\r\n    indented <b>\r\n"
    page = read_page(source.encode(), "text/plain", URL, ExtractConfig())
    assert page == Page("# Title of it\n\n    indented <b>", "Title of it", "")


def test_a_page_without_a_media_type_is_judged_by_its_content():
    assert read_page(article().encode(), "", URL, ExtractConfig()) == Page("Some words to read.")
    assert read_page(b"just words", "", URL, ExtractConfig()) == Page("just words")


@pytest.mark.parametrize(
    "html",
    ["<ul><li>" * 200 + "x", "<table><tr><td>" * 200 + "x", "<b>" * 200 + "x", "<div></span>" * 200 + "x"],
)
def test_deep_pages_are_refused_before_they_are_extracted(html):
    assert read(html, max_depth=100) == Refused("too_deep", 100)


def test_many_elements_side_by_side_are_not_deep():
    assert isinstance(read("<p>word " * 2000, max_depth=100), Page)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["<div>", "</div>", "<pre>", "</pre>", "<h1>", "<td>", "<script>", "<!--", "&#0;", "\ud800"])
        | st.text(max_size=8),
        max_size=30,
    )
)
def test_any_soup_of_tags_is_read_or_refused(pieces):
    payload = "".join(pieces).encode("utf-8", "surrogatepass")
    page = read_page(payload, "text/html", URL, ExtractConfig())
    assert isinstance(page, Page | Refused)
    if isinstance(page, Page):
        page.text.encode()
        page.title.encode()
