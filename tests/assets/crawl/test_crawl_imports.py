"""Files enter where a crawl does: same output, same accounting, and a broken record costs itself only."""

import gzip
import json
import sqlite3
from email.message import Message
from email.utils import collapse_rfc2231_value
from io import BytesIO
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets.crawl import imports
from assets.crawl.config import CrawlConfig
from assets.crawl.ledger import Ledger
from assets.crawl.records import described_type
from assets.crawl.sources import Columns
from assets.crawl.warc_records import read_warc
from resources.artifact import content_digest
from resources.errors import InputError

COLUMNS = {"text": "body", "url": "link", "title": "name", "license": "terms", "language": "tongue"}


def config(kind: str, *paths: Path | str, **source) -> CrawlConfig:
    return CrawlConfig.model_validate(
        {"source": {"kind": kind, "paths": [str(path) for path in paths], **source}, "shards": 3}
    )


def lines(path: Path, *rows: object) -> Path:
    """A JSONL file of these rows; bytes stand for themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def member(kind: str, url: str, payload: bytes, headers=(), status: str = "200 OK", **warc: str) -> bytes:
    """One gzip member with one WARC record."""
    out = BytesIO()
    writer = WARCWriter(out, gzip=True)
    http = StatusAndHeaders(status, list(headers), protocol="HTTP/1.1") if kind == "response" else None
    fields = {name.replace("_", "-"): value for name, value in {"WARC_Date": "2025-03-01T00:00:00Z", **warc}.items()}
    record = writer.create_warc_record(
        url, kind, payload=BytesIO(payload), length=len(payload), http_headers=http, warc_headers_dict=fields
    )
    writer.write_record(record)
    return out.getvalue()


def parameters(content_type: str) -> dict[str, str]:
    """The parameters of a Content-Type, as any reader finds them by the standard library."""
    message = Message()
    message["Content-Type"] = content_type
    pairs = message.get_params()[1:]
    return {name: collapse_rfc2231_value(message.get_param(name)) for name, _ in pairs}


def test_a_line_becomes_a_resource_that_carries_what_its_row_says(tmp_path, fields):
    row = {"body": "Größe.\n\nTwo  spaces.", "link": "HTTP://Docs.Test/a/../b?z=1&a=2#top"}
    row |= {"name": 'A "naïve" title; really', "terms": "MIT", "tongue": "de"}
    result = fields.crawl(config("jsonl", lines(tmp_path / "rows.jsonl", row), columns=COLUMNS))
    capture = result.captures["http://docs.test/b?a=2&z=1"]
    assert (capture.kind, capture.status) == ("resource", 0)
    assert result.payload(capture.url).decode() == row["body"]
    assert capture.content_type.startswith("text/plain; charset=")
    given = {"charset": "utf-8", "title": row["name"], "license": "MIT", "language": "de"}
    assert parameters(capture.content_type) == given


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(str.strip))
def test_any_title_survives_as_a_parameter(title):
    content_type = described_type(Columns(text="text"), {"charset": "utf-8", "title": title})
    assert content_type.isascii()
    assert parameters(content_type)["title"] == title.strip()


def test_without_a_url_a_row_is_named_by_its_file_and_number_the_same_on_any_machine(tmp_path, fields):
    for place in ("here", "elsewhere/deeper"):
        for name in ("a/x.jsonl", "b/x.jsonl.gz"):
            lines(tmp_path / place / name, {"text": f"one of {name}"}, b"", {"text": f"two of {name}"})
    results = [
        fields.crawl(config("jsonl", tmp_path / place / "*" / "x.jsonl*"), place.replace("/", "-"))
        for place in ("here", "elsewhere/deeper")
    ]
    names = [f"file:{name}#{row}" for name in ("a/x.jsonl", "b/x.jsonl.gz") for row in (1, 2)]
    assert sorted(results[0].captures) == names
    assert results[0].files() == results[1].files()


def test_bad_lines_are_dropped_by_number_with_their_reason(tmp_path, fields):
    rows = [
        {"text": "good"},
        b'{"text": "cut',
        b'{"text": "\xff"}',
        {"title": "no text"},
        {"text": 7},
        {"text": "  "},
        [1],
        {"text": "x" * 5000},
        b'{"text": "\\ud800"}',
        b"[" * 100_000,
        {"text": "bad url", "url": "ftp://x/"},
        {"text": "late", "url": "http://x.test/"},
        {"text": "again", "url": "http://x.test/#same"},
        {"text": "y" * 200_000},
    ]
    torn = gzip.compress(b'{"text": "whole"}\n' + b'{"text": "torn %d"}\n' % 5 * 3000)
    (tmp_path / "torn.jsonl.gz").write_bytes(torn[:-40])
    (tmp_path / "wrong.jsonl.gz").write_bytes(b"not gzip at all")
    for ending in ("bz2", "xz"):
        (tmp_path / f"wrong.jsonl.{ending}").write_bytes(b"neither is this")
    source = config(
        "jsonl",
        lines(tmp_path / "rows.jsonl", *rows),
        tmp_path / "*.gz",
        *(tmp_path / f"wrong.jsonl.{ending}" for ending in ("bz2", "xz")),
        columns={"text": "text", "url": "url"},
    )
    result = fields.crawl(source.model_copy(update={"limits": source.limits.model_copy(update={"size_bytes": 4000})}))
    assert result.is_accounted()
    reasons = {url: reason for url, reason in result.reasons.items() if "rows" in url}
    assert reasons == {
        f"file:rows.jsonl#{number}": reason
        for number, reason in {
            2: "bad_json",
            3: "not_utf8",
            4: "missing_field",
            5: "bad_field",
            6: "empty",
            7: "bad_json",
            8: "too_large",
            9: "not_utf8",
            10: "too_large",
            11: "bad_url",
            13: "duplicate_url",
            14: "too_large",
        }.items()
    }
    for ending in ("gz", "bz2", "xz"):
        assert result.reasons[f"file:wrong.jsonl.{ending}#1"] == "bad_compression"
    assert [reason for url, reason in result.reasons.items() if "torn" in url] == ["bad_compression"]
    assert {"file:rows.jsonl#1", "http://x.test/", "file:torn.jsonl.gz#1"} <= set(result.captures)


def test_rows_of_parquet_may_hold_html_as_bytes_in_a_charset_of_their_own(tmp_path, fields):
    page = '<html><meta charset="latin-1"><p>naïve</p>'.encode("latin-1")
    opted_out = b'<meta name="robots" content="noai"><p>mine</p>'
    table = {"page": [page, opted_out, None], "where": ["http://a.test/", "http://b.test/", "http://c.test/"]}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "strange.parquet")
    columns = {"html": "page", "url": "where"}
    result = fields.crawl(config("parquet", tmp_path / "*.parquet", columns=columns))
    assert result.is_accounted()
    assert result.payload("http://a.test/") == page
    assert result.captures["http://a.test/"].content_type == "text/html"
    assert result.reasons == {
        "file:rows.parquet#2": "noai",
        "file:rows.parquet#3": "missing_field",
        "file:broken.parquet#1": "bad_parquet",
        "file:strange.parquet#1": "missing_field",
    }


def test_text_of_parquet_that_is_not_utf8_costs_its_row(tmp_path, fields):
    text = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": text}), tmp_path / "rows.parquet")
    result = fields.crawl(config("parquet", tmp_path / "rows.parquet"))
    assert result.reasons == {"file:rows.parquet#2": "not_utf8"}


HTML = ("Content-Type", "text/html")


def test_warc_records_keep_their_date_and_headers_and_broken_ones_cost_themselves(tmp_path, fields):
    packed = gzip.compress(b"<p>packed</p>")
    good = member("response", "http://a.test/", b"<p>a</p>", [HTML, ("ETag", '"e"')])
    chunked = [HTML, ("Transfer-Encoding", "chunked")]
    torn = bytearray(member("response", "http://torn.test/", b"<p>" + bytes(range(256)) * 8, [HTML]))
    torn[60:70] = b"0123456789"
    members = [
        member("warcinfo", "", b"software: x\r\n"),
        good,
        bytes(torn),
        member("response", "http://packed.test/", packed, [HTML, ("Content-Encoding", "gzip")]),
        member("response", "http://half.test/", packed[:-9], [HTML, ("Content-Encoding", "gzip")]),
        member("response", "http://chunked.test/", b"5\r\n<p>c<\r\n3\r\n/p>\r\n0\r\n\r\n", chunked),
        member("response", "http://miscut.test/", b"ZZ\r\n<p>", chunked),
        gzip.compress(b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: many\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        gzip.compress(b"this is no record\r\n\r\n"),
        member("response", "http://gone.test/", b"", [HTML], status="404 Not Found"),
        member("response", "http://image.test/", b"\x89PNG", [("Content-Type", "image/png")]),
        member("response", "http://mine.test/", b"<p>mine</p>", [HTML, ("TDM-Reservation", "1")]),
        member("request", "http://a.test/", b"GET / HTTP/1.1\r\n\r\n"),
        member("revisit", "http://a.test/", b"", WARC_Profile="x"),
        b"garbage between members",
        member("conversion", "http://wet.test/", b"plain text", Content_Type="text/plain"),
        good,
        member("response", "http://last.test/", b"<p>last</p>", [HTML])[:-20],
    ]
    (tmp_path / "crawl.warc.gz").write_bytes(b"".join(members))
    result = fields.crawl(config("warc", tmp_path / "crawl.warc.gz"))
    assert result.is_accounted()
    assert {url: result.payload(url) for url in result.captures} == {
        "http://a.test/": b"<p>a</p>",
        "http://packed.test/": b"<p>packed</p>",
        "http://chunked.test/": b"<p>c</p>",
        "http://wet.test/": b"plain text",
    }
    assert result.captures["http://a.test/"].etag == '"e"'
    assert list(result.reasons.values()).count("duplicate_url") == 1
    assert sorted(result.outcome.stats["dropped"]) == sorted(
        ["bad_gzip", "bad_warc", "content_type", "duplicate_url", "http_404", "revisit", "tdm_reservation", "truncated"]
    )
    assert b"2025-03-01T00:00:00Z" in gzip.decompress((result.folder / "warc/00000.warc.gz").read_bytes())


def test_a_plain_warc_and_a_list_of_files_as_common_crawl_has_it(tmp_path, fields):
    plain = gzip.decompress(member("response", "http://a.test/", b"<p>a</p>", [HTML]))
    (tmp_path / "data" / "segment").mkdir(parents=True)
    (tmp_path / "data" / "segment" / "1.warc").write_bytes(plain + b"WARC/9 nonsense\r\n\r\n")
    (tmp_path / "warc.paths.gz").write_bytes(gzip.compress(b"segment/1.warc\n\n"))
    result = fields.crawl(config("warc", tmp_path / "warc.paths.gz", prefix=str(tmp_path / "data")))
    assert set(result.captures) == {"http://a.test/"}
    assert result.reasons == {"file:segment/1.warc#2": "bad_warc"}


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_whatever_stop_the_reader(noise, at, value):
    data = bytearray(member("response", "http://a.test/", b"<p>a</p>", [HTML]) * 2)
    data[at % len(data)] = value
    for broken in (noise, bytes(data), bytes(data[: at % len(data)]) + noise, b"WARC/1.1\r\n" + noise):
        assert all(record is not None for record in read_warc(BytesIO(broken), 10_000))


def test_the_bytes_are_the_same_for_any_number_of_workers_and_after_a_kill(tmp_path, fields, monkeypatch):
    rows = [{"text": f"document {number}", "url": f"http://h{number % 7}.test/{number}"} for number in range(900)]
    first, second = lines(tmp_path / "a.jsonl", *rows[:500]), lines(tmp_path / "b.jsonl", *rows[500:], b"broken")
    source = config("jsonl", first, second, columns={"text": "text", "url": "url"}).model_copy(
        update={"warc_bytes": 20_000}
    )
    one = fields.crawl(source, "one", workers=1)
    two = fields.crawl(source, "two", workers=2)
    assert one.files() == two.files()
    assert one.is_accounted()

    entered = []

    def enter(self, name, record):
        if len(entered) in (450, 700):
            entered.append("")
            raise KeyboardInterrupt
        entered.append(name)
        genuine(self, name, record)

    genuine = imports._Importer._enter
    monkeypatch.setattr(imports._Importer, "_enter", enter)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fields.crawl(source, "killed")
    assert fields.crawl(source, "killed").files() == one.files()
    assert len(entered) < 901 + 2 * imports.BATCH + 2


def test_files_that_hold_nothing_usable_are_an_error_with_its_mend(tmp_path, fields):
    path = lines(tmp_path / "rows.jsonl", {"content": "text under another name"})
    with pytest.raises(InputError, match=r"none of the 1 records can be used \(missing_field 1\).*columns"):
        fields.crawl(config("jsonl", path))
    lines(path, {"text": "under the name that was asked for"})  # mended, and run again under the same spec
    assert set(fields.crawl(config("jsonl", path)).captures) == {"file:rows.jsonl#1"}
    with pytest.raises(InputError, match=r"absent\.jsonl matches no file"):
        fields.crawl(config("jsonl", tmp_path / "absent.jsonl"), "two")
    with pytest.raises(InputError, match=r"the list .*warc\.paths cannot be read"):
        fields.crawl(config("warc", tmp_path / "warc.paths"), "three")


def test_files_of_one_name_on_two_filesystems_are_two_files(tmp_path, fields):
    local = lines(tmp_path / "rows.jsonl", {"text": "here"})
    with fsspec.open(f"memory:/{local}", "wt") as there:
        there.write('{"text": "there"}')
    result = fields.crawl(config("jsonl", local, f"memory:/{local}"))
    assert {result.payload(url) for url in result.captures} == {b"here", b"there"}


def test_the_digest_is_that_of_every_leaf_in_order_whatever_characters_names_hold(tmp_path, fields):
    names = ["é.jsonl", "\U0001f600.jsonl", "\uffff.jsonl", 'a"b.jsonl']
    for name in names:
        lines(tmp_path / name, {"text": name}, {"no": "text"})
    result = fields.crawl(config("jsonl", tmp_path / "*.jsonl"))
    kept = [(url, f"0 resource {capture.payload_sha256}") for url, capture in result.captures.items()]
    assert result.outcome.digest == content_digest([*kept, *result.reasons.items()])


def test_counting_reads_no_page(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite", shards=1)
    ledger.add(["http://a.test/", "http://b.test/", "http://a.test/"], depth=0)
    ledger.admit([("http://a.test/", "robots"), ("http://b.test/", "")])
    ledger.enter("file:x#1")
    ledger.drop("file:x#1", "empty")
    ledger.db.set_authorizer(lambda act, table, *rest: sqlite3.SQLITE_DENY if table == "pages" else sqlite3.SQLITE_OK)
    assert ledger.counts() == (2, 3)
