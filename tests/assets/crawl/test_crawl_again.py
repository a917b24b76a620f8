"""A second snapshot asks only for what changed: ETag and Last-Modified, identical payloads, WARC revisits."""

from dataclasses import dataclass

import pytest
from warcio.archiveiterator import ArchiveIterator

from tests.assets.crawl.hostile_web import Crawled, Field, HostileWeb, Request, site_config

A = "http://a.test"


@dataclass(frozen=True)
class Snapshots:
    """A site crawled, changed, crawled again, and once more; and its changed state crawled from nothing."""

    first: Crawled
    second: Crawled
    third: Crawled
    anew: Crawled
    log_of_second: list[Request]
    sent_first: dict[str, bytes]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    web, field = HostileWeb(), Field(tmp_path_factory.mktemp("again"))
    web.page("a.test", "/", "/tagged", "/dated", "/untagged", "/changing", "/gone", "/turning", ETag='"1"')
    web.page("a.test", "/tagged", "/deep", ETag='"t"')
    web.page("a.test", "/deep", "/deeper", ETag='"d"')
    web.page("a.test", "/dated", Last_Modified="Mon, 05 Jan 2026 00:00:00 GMT")
    web.page("a.test", "/untagged", "/appearing")
    web.page("a.test", "/changing", text="before", ETag='"c1"')
    web.page("a.test", "/gone", ETag='"g"')
    web.page("a.test", "/turning", text="free", ETag='"f"')
    with web.served():
        config = site_config(web)
        sent_first = {f"http://{host}{path}": reply.body for (host, path), reply in web.replies.items()}
        first = field.crawl(config, "first")
        web.page("a.test", "/changing", text="after", ETag='"c2"')
        web.page("a.test", "/appearing")
        web.page("a.test", "/deeper", ETag='"new"')
        web.page("a.test", "/turning", text="mine", head='<meta name="robots" content="noai">')
        del web.replies["a.test", "/gone"]
        web.log.clear()
        second = field.crawl(config, "second", "2026-01-12", previous=first)
        log_of_second = list(web.log)
        third = field.crawl(config, "third", "2026-01-19", previous=second)
        anew = field.crawl(config, "anew", "2026-01-12")
    return Snapshots(first, second, third, anew, log_of_second, sent_first)


def test_the_payload_of_every_response_is_the_one_that_was_sent(snapshots):
    first = snapshots.first
    assert {url: first.payload(url) for url in first.captures} == {
        url: body for url, body in snapshots.sent_first.items() if url in first.captures
    }


def test_an_unchanged_page_is_a_revisit_and_a_changed_one_a_response(snapshots):
    second = snapshots.second
    assert second.is_accounted()
    assert {url.removeprefix(A): (c.kind, c.status) for url, c in second.captures.items()} == {
        "/": ("revisit", 304),
        "/tagged": ("revisit", 304),
        "/deep": ("revisit", 304),
        "/dated": ("revisit", 304),
        "/untagged": ("revisit", 200),
        "/changing": ("response", 200),
        "/appearing": ("response", 200),
        "/deeper": ("response", 200),
    }
    counts = {name: second.outcome.stats[name] for name in ("fetched_whole", "not_modified", "identical")}
    assert counts == {"fetched_whole": 3, "not_modified": 4, "identical": 1}


def test_the_server_was_asked_conditionally_and_sent_no_body(snapshots):
    unchanged = {request.path for request in snapshots.log_of_second if request.status == 304}
    assert unchanged == {"/", "/tagged", "/deep", "/dated"}


def test_a_page_that_is_gone_or_opted_out_since_is_dropped_for_that(snapshots):
    assert snapshots.second.reasons[f"{A}/gone"] == "http_404"
    assert snapshots.second.reasons[f"{A}/turning"] == "noai"


def test_what_is_considered_does_not_depend_on_the_snapshot_before(snapshots):
    second, anew = snapshots.second, snapshots.anew
    assert set(second.captures) == set(anew.captures)
    assert second.reasons == anew.reasons


def test_a_revisit_names_the_payload_and_date_of_the_original_through_every_snapshot(snapshots):
    chain = [snapshots.first, snapshots.second, snapshots.third]
    original, *revisits = [snapshot.captures[f"{A}/tagged"] for snapshot in chain]
    assert [capture.kind for capture in revisits] == ["revisit", "revisit"]
    assert {capture.payload_sha256 for capture in revisits} == {original.payload_sha256}
    headers = [_record_headers(snapshot, f"{A}/tagged") for snapshot in chain]
    assert {header.get_header("WARC-Refers-To-Date") for header in headers[1:]} == {headers[0].get_header("WARC-Date")}
    assert headers[1].get_header("WARC-Profile").endswith("/revisit/server-not-modified")
    identical = _record_headers(snapshots.second, f"{A}/untagged")
    assert identical.get_header("WARC-Profile").endswith("/revisit/identical-payload-digest")


def _record_headers(crawled: Crawled, url: str):
    capture = crawled.captures[url]
    with (crawled.folder / capture.file).open("rb") as file:
        file.seek(capture.offset)
        return next(iter(ArchiveIterator(file))).rec_headers
