"""The clean stage: boilerplate of a host goes, what repeats rightly stays, and nothing is lost from the accounting."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.clean.boilerplate import line_key
from assets.clean.clean import clean, clean_text
from assets.clean.config import CleanConfig
from assets.documents import read_documents, read_dropped
from tests.assets.clean.conftest import SHARDS, document

COOKIES = "This site uses cookies to remember your theme."
MENU = "Contents"


def page(number: int, host: str = "a.test"):
    text = (
        f"{MENU}\n{COOKIES}\n\n# Function {number}\n\nIt returns {number} and does nothing else.\n\n"
        f"## Parameters\n\nx{number} : int\n\n```\nimport numpy as np # in every example\n```\n"
    )
    if number % 2:
        text += "See also\n"
    if number % 10 == 0:
        text += "Once in a while this line appears.\n"
    return document(f"http://{host}/{number:03}", text)


def folder_of(build) -> Path:
    return Path(build.store.key(build.folder))


def texts(build) -> dict[str, str]:
    return {one.url: one.text for one in read_documents(folder_of(build))}


def bytes_of(build) -> dict[str, bytes]:
    root = folder_of(build)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_lines_that_a_host_repeats_go_and_what_repeats_rightly_stays(documents, new_build):
    build = new_build()
    outcome = clean(build, CleanConfig(), documents([page(number) for number in range(40)]))
    assert outcome.stats["lines_removed"] == 80
    for url, text in texts(build).items():
        assert COOKIES not in text
        assert MENU not in text
        assert "## Parameters" in text
        assert "import numpy as np" in text
        assert ("See also" in text) == (int(url[-3:]) % 2 == 1)
        assert ("Once in a while" in text) == (int(url[-3:]) % 10 == 0)


def test_a_line_is_boilerplate_on_its_own_host_only(documents, new_build):
    build = new_build()
    other = document("http://b.test/about", COOKIES)
    clean(build, CleanConfig(), documents([*(page(number) for number in range(40)), other]))
    assert texts(build)["http://b.test/about"] == COOKIES


def test_a_host_with_few_pages_keeps_all_its_lines(documents, new_build):
    build = new_build()
    clean(build, CleanConfig(boilerplate_min_pages=10), documents([page(number) for number in range(9)]))
    assert all(COOKIES in text for text in texts(build).values())


def test_what_was_boilerplate_in_an_earlier_snapshot_still_is(documents, new_build):
    earlier = None
    for name, numbers, removed in [("first", range(40), 80), ("second", [41, 42], 4), ("third", [43], 2)]:
        build = new_build(name)
        source = documents([page(number) for number in numbers], f"{name} source")
        assert clean(build, CleanConfig(), source, earlier).stats["lines_removed"] == removed
        assert all(COOKIES not in text and "## Parameters" in text for text in texts(build).values())
        earlier = folder_of(build)


def test_a_share_of_one_removes_nothing(documents, new_build):
    build = new_build()
    config = CleanConfig(boilerplate_share=1, boilerplate_share_short=1)
    assert clean(build, config, documents([page(number) for number in range(20)])).stats["lines_removed"] == 0


def test_what_is_empty_after_cleaning_is_dropped_and_the_accounting_closes(documents, new_build):
    build = new_build()
    given = [page(number) for number in range(20)] + [document("http://a.test/x", f"{COOKIES}\n---\n\u200b")]
    stats = clean(build, CleanConfig(), documents(given)).stats
    assert [(one.url, one.reason) for one in read_dropped(folder_of(build))] == [
        ("http://a.test/x", "empty_after_cleaning")
    ]
    assert stats["entered"] == 21 == stats["kept"] + sum(stats["dropped"].values())
    assert stats["characters_removed"] == 1


def test_personal_data_is_masked_in_texts_and_titles_and_counted(documents, new_build):
    build = new_build()
    stats = clean(
        build,
        CleanConfig(),
        documents([document("http://a.test/contact", "Ask jane@acme.com from 41.173.96.26.", "joe@acme.com")]),
    ).stats
    (one,) = read_documents(folder_of(build))
    assert (one.text, one.title) == ("Ask <EMAIL> from <IP>.", "<EMAIL>")
    assert stats["pii"] == {"email": 2, "phone": 0, "ip": 1, "card": 0, "iban": 0, "key": 0}


def test_hostile_documents_pass_or_are_dropped(documents, new_build):
    texts_of = ["", "\n" * 10_000, "a" * 100_000, "```", "`" * 999, "\x00\u202e", "%s {0} <EMAIL>", "1 " * 20_000]
    urls = ["http://[bad/", "no url", "http://a.test:port/", *[f"http://h.test/{n}" for n in range(5)]]
    build = new_build()
    given = [document(url, text, title="") for url, text in zip(urls, texts_of, strict=True)]
    stats = clean(build, CleanConfig(boilerplate_min_pages=2), documents(given)).stats
    assert stats["entered"] == 8 == stats["kept"] + sum(stats["dropped"].values())


def test_any_number_of_workers_writes_the_same_bytes(documents, new_build):
    source = documents([page(number, host) for number in range(20) for host in ("a.test", "b.test")])
    one, two = new_build("one", workers=1), new_build("two", workers=2)
    assert clean(one, CleanConfig(), source).stats == clean(two, CleanConfig(), source).stats
    assert bytes_of(one) == bytes_of(two)


@pytest.mark.parametrize("step", ["count lines", "clean"])
def test_a_killed_build_continues_and_does_no_finished_shard_twice(documents, new_build, step):
    source = documents([page(number) for number in range(40)])

    def die(progress):
        if progress.label == step and progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean(new_build(report=die), CleanConfig(), source)
    left = sorted(folder_of(new_build()).glob("documents/*"))
    assert len(left) == (1 if step == "clean" else 0) < SHARDS
    written = [path.stat().st_mtime_ns for path in left]
    resumed, fresh = new_build(), new_build("fresh")
    assert clean(resumed, CleanConfig(), source).stats == clean(fresh, CleanConfig(), source).stats
    assert [path.stat().st_mtime_ns for path in left] == written
    assert bytes_of(resumed) == bytes_of(fresh)


def test_counting_in_many_ranges_of_hashes_finds_the_same_lines(documents, new_build, monkeypatch):
    source = documents([page(number) for number in range(40)])
    one = clean(new_build("one"), CleanConfig(), source).stats
    monkeypatch.setattr("assets.clean.boilerplate.RECORDS_AT_ONCE", 7)
    assert clean(new_build("two"), CleanConfig(), source).stats == one


LINES = st.sampled_from(
    [COOKIES, MENU, "", "```", ">>> x  ", "  indented", "cafÃ©", "a@b.com", "\u200b", "+49 30 901820"]
)


@given(st.lists(LINES | st.text(max_size=10), max_size=12).map("\n".join))
def test_cleaning_a_cleaned_text_changes_nothing(text):
    repeated = {line_key("a.test", COOKIES), line_key("a.test", MENU)}
    once = clean_text(text, "a.test", repeated, CleanConfig())[0]
    assert clean_text(once, "a.test", repeated, CleanConfig())[0] == once


@given(st.text())
def test_any_text_is_cleaned_without_error(text):
    cleaned = clean_text(text, "a.test", (), CleanConfig())[0]
    assert cleaned == cleaned.encode().decode()
