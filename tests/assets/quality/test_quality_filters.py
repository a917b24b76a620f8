"""Rule filters: what each drops, what it says, and how a stranger adds one."""

import re
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.documents import Document
from assets.quality import filters, rules
from assets.quality.config import FilterConfig, QualityConfig
from assets.quality.filters import broken_rule, known_filters, quality_filter
from assets.quality.judge import Judge
from assets.quality.words import plain_words, spaced_words, symbols_and_words
from resources.errors import BuildError, SpecError

GUIDE = Path(__file__).parents[3] / "docs" / "adding-a-filter.md"
SENTENCE = "The norm of a vector is the square root of the sum of its squares, and it is never less than zero. "


def make(text: str) -> Document:
    return Document("0" * 32, "http://a.test/", text, "2026-01-05")


def verdict(text: str, name: str, **parameters):
    config = QualityConfig(filters=(FilterConfig(name=name, **parameters),))
    return broken_rule(make(text), config.rules())


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("gopher_quality", "too_short", "A stub of a page."),
        ("gopher_quality", "long_words", "internationalization_of_the_whole_page " * 20),
        ("gopher_quality", "short_words", "a b c 1 2 3 " * 20),
        ("gopher_quality", "hashes", "### heading of the page " * 20),
        ("gopher_quality", "ellipses", "the end... of all... " * 20),
        ("gopher_quality", "bullets", "\n".join(["- the next thing of the list"] * 20)),
        ("gopher_quality", "cut_lines", "the first line of it\n" * 12 + "and the line goes on and on…\n" * 8),
        ("gopher_quality", "few_letters", "the sum of 1.00 2.00 3.00 4.00 5.00 6.00 7.00 " * 8),
        ("gopher_quality", "stop_words", "numpy pandas scipy torch download " * 8),
        ("gopher_repetition", "same_lines", ("The same line again.\n" * 8 + "Another one.\n") * 2),
        ("gopher_repetition", "same_paragraphs", "\n\n".join(["A paragraph, again and again."] * 6)),
        ("gopher_repetition", "top_2_gram", "numpy array " * 10 + "is what this page says over and over"),
        ("c4", "lorem_ipsum", SENTENCE * 3 + "Lorem ipsum dolor sit amet."),
        ("c4", "few_sentences", "Menu\nHome\nAbout us\nPrivacy policy applies here.\n"),
        ("fineweb", "no_full_stops", "home page\nsecond page of the site\nthird page of the site\n" * 4),
        ("fineweb", "short_lines", "\n".join([f"Item number {n}." for n in range(30)])),
        ("fineweb", "same_line_text", (SENTENCE.strip() + "\n") * 4),
        ("fineweb", "list", "\n\n\n\n\n\n\n\n".join(f"This is line {n} of a list of words." for n in range(9))),
        ("spam", "selling", "Buy now the best cheap download, click here for free shipping and a discount. " * 3),
    ],
)
def test_each_rule_drops_what_it_is_there_for(name, reason, text):
    found = verdict(text, name)
    assert found is not None
    assert found[0] == f"{name}:{reason}"
    assert found[1] is not None


def test_good_documentation_passes(documentation):
    judge = Judge(QualityConfig(), None)
    kept = [document for document in documentation if isinstance(judge(document), Document)]
    assert len(documentation) > 300
    assert len(kept) / len(documentation) > 0.9


def test_the_score_is_what_was_measured():
    assert verdict("Seven words are not enough for this.", "gopher_quality") == ("gopher_quality:too_short", 7)


def test_the_spec_sets_parameters():
    text = "Seven words are not enough for this."
    assert verdict(text, "gopher_quality", min_doc_words=5) is None


def test_the_first_rule_that_rejects_names_the_reason():
    config = QualityConfig(filters=("c4", "gopher_quality"))
    document = make("A stub.")
    assert broken_rule(document, config.rules())[0].startswith("c4:")


def test_a_filter_does_not_edit_the_document():
    text = SENTENCE * 5 + "\nhome\ncookie policy of the page\n"
    kept = Judge(QualityConfig(filters=("c4",)), None)(make(text))
    assert isinstance(kept, Document)
    assert kept.text == text


@pytest.mark.parametrize("text", ["", "\n\n", "...", "🙂🙂", "\u0000\u0001", "____ ----"])
def test_text_without_a_word_is_dropped_before_any_rule(text):
    dropped = Judge(QualityConfig(filters=()), None)(make(text))
    assert (dropped.reason, dropped.score) == ("no_words", 0.0)


@pytest.mark.parametrize("text", ["a" * 100_000, "一二三" * 200, "1\n" * 5000, "# " * 500, "x\x00y " * 50])
def test_strange_text_gets_a_verdict_from_every_filter(text):
    for name in known_filters():
        assert verdict(text, name) is None or verdict(text, name)[0].startswith(f"{name}:")


def test_an_unknown_filter_is_refused_with_the_nearest_name():
    with pytest.raises(ValidationError, match="no quality filter 'goper_quality'; did you mean 'gopher_quality'"):
        QualityConfig(filters=("goper_quality",))


def test_an_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(ValidationError, match="no parameter 'min_words'; did you mean 'min_doc_words'"):
        FilterConfig(name="gopher_quality", min_words=3)


def test_a_parameter_of_the_wrong_type_is_refused():
    with pytest.raises(ValidationError, match="cannot take min_num_sentences = 'few'"):
        FilterConfig(name="c4", min_num_sentences="few")


def test_a_phrase_longer_than_any_rule_knows_is_refused():
    with pytest.raises(ValidationError, match="less than or equal to 20"):
        FilterConfig(name="gopher_repetition", top_n_grams=[(25, 0.2)])


def test_defaults_are_part_of_the_spec():
    assert FilterConfig(name="c4").model_dump()["min_num_sentences"] == 2


def test_a_filter_that_fails_names_itself_and_the_document(monkeypatch):
    monkeypatch.setattr(filters, "_FILTERS", dict(known_filters()))

    @quality_filter("broken")
    def broken(document):
        raise KeyError("nothing there")

    with pytest.raises(BuildError, match=r"'broken' failed on document .*http://a\.test/.*nothing there"):
        verdict(SENTENCE, "broken")


def test_a_parameter_without_a_default_is_refused(monkeypatch):
    monkeypatch.setattr(filters, "_FILTERS", {})
    with pytest.raises(SpecError, match="give 'most' a type and a default"):

        @quality_filter("careless")
        def careless(document: Document, *, most: int):
            return None


def test_what_the_guide_shows_is_all_that_it_takes_to_add_a_filter(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.splitlines()) < 20
    (tmp_path / "shouting.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    monkeypatch.setattr(filters, "_FILTERS", dict(known_filters()))
    monkeypatch.delitem(sys.modules, "assets.quality.rules.shouting", raising=False)

    assert verdict("THIS PAGE SHOUTS AT you", "shouting", max_capitals=0.4) == (
        "shouting:capitals",
        pytest.approx(0.842, abs=0.001),
    )
    assert verdict("This page does not.", "shouting") is None
    with pytest.raises(ValidationError, match="did you mean 'max_capitals'"):
        FilterConfig(name="shouting", max_capitols=0.4)


@pytest.mark.parametrize("cut", [spaced_words, plain_words, symbols_and_words])
@pytest.mark.parametrize(
    ("text", "words"), [("한국어 문장", ["한국어", "문장"]), ("用numpy", ["用", "numpy"]), ("བོད", ["བ", "ོ", "ད"])]
)
def test_a_character_is_a_word_where_no_spaces_are_written(cut, text, words):
    assert cut(text) == words
