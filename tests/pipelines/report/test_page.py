"""The page: whole, self-contained, escaped, and readable in a browser at any width."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.cli.main import main
from pipelines.report.page import render

SECTIONS = ["funnel", "examples", "training", "evaluation", "verdicts", "registry", "drift", "cost"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine; install one (Debian: apt-get install chromium) and run again"
)


class Elements(HTMLParser):
    """All elements of a page, with their attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_has_every_section_and_the_menu_leads_to_each(home):
    elements = Elements(render(home.story())).found
    assert [attributes["id"] for tag, attributes in elements if tag == "section"] == SECTIONS
    assert [attributes["href"] for tag, attributes in elements if tag == "a"] == [f"#{name}" for name in SECTIONS]


def test_a_finished_home_leaves_no_section_empty(home):
    assert 'class="empty"' not in render(home.story())


def test_an_empty_home_says_of_every_section_what_will_be_there(empty_home):
    page = render(empty_home.story())
    assert page.count('class="empty"') == len(SECTIONS)
    assert "Nothing has been made here yet" in page


def test_a_home_with_documents_alone_tells_their_funnel(home):
    home.known = {key: artifact for key, artifact in home.known.items() if key[0] in ("raw_crawl", "extracted")}
    page = render(home.story())
    assert "robots.txt asks crawlers to stay out" in page
    assert "No model has been trained yet" in page


def test_drift_is_told_with_the_words_and_the_feature_that_moved(home):
    page = render(home.story())
    assert "harbour" in page
    assert "drifted, words 9.25 instead of 5 on average" in page


def test_the_headline_has_pages_tokens_champion_and_its_bits_beside_the_baselines(home):
    page = re.sub(r"<[^>]+>", " ", render(home.story()).partition("<main>")[0])
    text = re.sub(r"\s+", " ", page)
    for told in ("2 pages fetched", "900 training tokens", "v1 champion", "2.50 bits per byte", "Unigram 3.50"):
        assert told in text


def test_nothing_outside_the_page_is_named_by_an_attribute_or_a_style(home):
    page = render(home.story())
    for _, attributes in Elements(page).found:
        for name in ("src", "href", "srcset", "poster", "action", "data", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_text_of_pages_models_and_requests_stays_text(home):
    page = render(home.story())
    tags = {tag for tag, _ in Elements(page).found}
    assert not tags & {"script", "img", "iframe", "object"}
    assert "<script>document.title" in html.unescape(page)  # it is told, as text


def test_the_same_home_gives_the_same_page(home):
    assert render(home.story()) == render(home.story())


def test_the_command_writes_the_page_of_a_home_where_nothing_was_made(tmp_path, capsys):
    (tmp_path / "home").mkdir()
    assert main(["report", "--home", str(tmp_path / "home"), "--profile", "smoke", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    written = Path(answer["report"])
    assert written == tmp_path / "home" / "report.html"
    assert written.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (tmp_path / "home" / "mlflow.db").exists()


def test_the_command_names_a_place_where_it_cannot_write(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "report.html")
    assert main(["report", "--home", str(tmp_path), "--profile", "smoke", "--output", place]) == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_an_error_and_without_scrolling_sideways(home, tmp_path, width):
    frame = tmp_path / "frame.html"
    page = html.escape(render(home.story()).encode("utf-8", "replace").decode(), quote=True)
    frame.write_text(
        f'<iframe id="page" width="{width}" height="800" style="border:0" srcdoc="{page}"></iframe><script>'
        'onload = () => { const shown = document.getElementById("page").contentDocument;'
        " for (const closed of shown.querySelectorAll('details')) closed.open = true;"
        " document.body.innerHTML = '<p id=measured>' + shown.documentElement.scrollWidth + ' '"
        " + shown.querySelectorAll('section').length + '</p>'; }</script>"
    )
    seen = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-background-networking", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert re.search(r'<p id="measured">(\d+) (\d+)</p>', seen.stdout).groups() == (str(width), str(len(SECTIONS)))
    assert "CONSOLE" not in seen.stderr
