"""The extract stage: what becomes of each capture, the same for any number of workers and after a kill."""

from pathlib import Path

import pytest

from assets.documents import document_id, read_documents, read_dropped
from assets.extract.config import ExtractConfig
from assets.extract.extract import extract
from tests.assets.extract.conftest import SHARDS, SNAPSHOT, Seen

ENGLISH = "The function returns the sum of all of its arguments and raises an error where one is not a number."
GERMAN = "Die Funktion gibt die Summe aller Argumente zurück und meldet einen Fehler, wenn eines keine Zahl ist."


def page(words: str) -> bytes:
    return f"<html><head><title>A page</title></head><body><main><p>{words}</p></main></body></html>".encode()


def seen(number: int) -> Seen:
    return Seen(f"http://a.test/{number}", page(f"{ENGLISH} Number {number}."))


def folder_of(build) -> Path:
    return Path(build.store.key(build.folder))


def bytes_of(build) -> dict[str, bytes]:
    root = folder_of(build)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


def reasons(build) -> dict[str, tuple[str, float | None]]:
    return {dropped.url: (dropped.reason, dropped.score) for dropped in read_dropped(folder_of(build))}


def test_a_page_becomes_a_document_with_all_that_it_says_about_itself(crawl, new_build):
    body = (
        "<html><head><title>sum — demo docs</title><link rel=license href='https://spdx.org/licenses/MIT.html'></head>"
        f"<body><nav><a href=/>Home</a></nav><main><h1>sum</h1><p>{ENGLISH}</p></main></body></html>"
    )
    build = new_build()
    outcome = extract(build, ExtractConfig(), crawl(Seen("http://a.test/sum", body.encode())))
    (document,) = read_documents(folder_of(build))
    assert document.id == document_id("http://a.test/sum", SNAPSHOT)
    assert (document.url, document.snapshot) == ("http://a.test/sum", SNAPSHOT)
    assert document.text == f"# sum\n\n{ENGLISH}"
    assert (document.title, document.license, document.language) == ("sum — demo docs", "MIT", "en")
    assert document.language_score > 0.9
    assert outcome.stats == {
        "entered": 1,
        "kept": 1,
        "dropped": {},
        "characters": len(document.text),
        "languages": {"en": 1},
        "licenses": {"MIT": 1},
    }


def test_every_capture_that_is_no_document_is_dropped_with_its_reason(crawl, new_build):
    build = new_build()
    outcome = extract(
        build,
        ExtractConfig(max_page_bytes=10_000, max_depth=64),
        crawl(
            Seen("http://a.test/good", page(ENGLISH)),
            Seen("http://a.test/revisit", page(ENGLISH), kind="revisit"),
            Seen("http://a.test/german", page(GERMAN)),
            Seen("http://a.test/image", b"\x89PNG\r\n\x1a\n", "image/png"),
            Seen("http://a.test/disguised", bytes(range(256)) * 8),
            Seen("http://a.test/nothing", page("")),
            Seen("http://a.test/zero", b""),
            Seen("http://a.test/large", page("long " * 4000)),
            Seen("http://a.test/deep", b"<div>" * 100 + b"bottom"),
        ),
    )
    found = reasons(build)
    assert found.pop("http://a.test/german")[0] == "language"
    assert found == {
        "http://a.test/revisit": ("unchanged", None),
        "http://a.test/image": ("not_html", None),
        "http://a.test/disguised": ("undecodable", None),
        "http://a.test/nothing": ("empty", 0),
        "http://a.test/zero": ("empty", 0),
        "http://a.test/large": ("too_large", len(page("long " * 4000))),
        "http://a.test/deep": ("too_deep", 64),
    }
    assert [document.url for document in read_documents(folder_of(build))] == ["http://a.test/good"]
    assert outcome.stats["entered"] == outcome.stats["kept"] + sum(outcome.stats["dropped"].values()) == 9


def test_a_page_that_takes_too_long_costs_itself_only(crawl, new_build):
    slow = "<p " + " ".join(f"a{number}" for number in range(60_000)) + ">slow"  # quadratic in the parser
    build = new_build()
    outcome = extract(
        build, ExtractConfig(page_cpu_s=0.2), crawl(*map(seen, range(6)), Seen("http://a.test/slow", slow.encode()))
    )
    assert reasons(build) == {"http://a.test/slow": ("timeout", pytest.approx(0.2))}
    assert outcome.stats["kept"] == 6


def test_an_empty_list_keeps_every_language(crawl, new_build):
    build = new_build()
    extract(build, ExtractConfig(languages=()), crawl(Seen("http://a.test/german", page(GERMAN))))
    assert [document.language for document in read_documents(folder_of(build))] == ["de"]


@pytest.mark.parametrize(("kept", "urls"), [(True, ["http://a.test/short"]), (False, [])])
def test_a_text_of_no_sure_language_is_kept_as_the_spec_says(crawl, new_build, kept, urls):
    build = new_build()
    extract(build, ExtractConfig(keep_undetermined=kept), crawl(Seen("http://a.test/short", page("0 1 2 3"))))
    assert [document.url for document in read_documents(folder_of(build))] == urls


def test_what_a_row_says_of_its_document_stands_above_what_its_text_shows(crawl, new_build):
    build = new_build()
    row = 'text/plain; title="Sums"; license="MIT"; language="en-GB"'
    extract(build, ExtractConfig(), crawl(Seen("http://a.test/row", GERMAN.encode(), row, kind="resource")))
    (document,) = read_documents(folder_of(build))
    assert (document.title, document.license, document.language) == ("Sums", "MIT", "en")
    assert document.language_score == 1


def test_a_relative_licence_link_is_resolved_against_the_page(crawl, new_build):
    body = page(ENGLISH).replace(b"</head>", b"<link rel=license href=../license.html></head>")
    build = new_build()
    extract(build, ExtractConfig(), crawl(Seen("http://a.test/en/sum", body)))
    assert next(iter(read_documents(folder_of(build)))).license == "http://a.test/license.html"


def test_any_number_of_workers_writes_the_same_bytes(crawl, new_build):
    folder = crawl(*map(seen, range(12)))
    one, two = new_build("one", workers=1), new_build("two", workers=2)
    assert extract(one, ExtractConfig(), folder).stats == extract(two, ExtractConfig(), folder).stats
    assert bytes_of(one) == bytes_of(two)


def test_a_killed_build_continues_and_does_no_finished_shard_twice(crawl, new_build):
    folder = crawl(*map(seen, range(12)))

    def die(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(new_build(report=die), ExtractConfig(), folder)
    left = sorted((folder_of(new_build()) / "documents").iterdir())
    assert len(left) == 2 < SHARDS
    written = [path.stat().st_mtime_ns for path in left]
    resumed, fresh = new_build(), new_build("fresh")
    assert extract(resumed, ExtractConfig(), folder).stats == extract(fresh, ExtractConfig(), folder).stats
    assert [path.stat().st_mtime_ns for path in left] == written
    assert bytes_of(resumed) == bytes_of(fresh)


@pytest.mark.parametrize("code", ["english", "EN", "und", ""])
def test_what_is_no_language_code_is_refused(code):
    with pytest.raises(ValueError, match="languages"):
        ExtractConfig(languages=(code,))
