"""The crawl's part of the spec, and the loopback web as its default source."""

import pytest
from pydantic import ValidationError

from assets.crawl.config import CrawlConfig
from resources.errors import BuildError, SpecError
from tests.assets.crawl.hostile_web import site_config

SITE = {"kind": "site", "seeds": ["https://Docs.example.org/start"]}


def test_a_crawl_of_the_open_web_must_say_who_crawls():
    with pytest.raises(ValidationError, match="contact: give a URL or e-mail address"):
        CrawlConfig.model_validate({"source": SITE})
    config = CrawlConfig.model_validate({"source": SITE, "contact": "https://example.org/bot"})
    assert config.user_agent_header == "Tidemill/1.0 (+https://example.org/bot)"
    assert config.source.scope() == ("docs.example.org",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": {**SITE, "seeds": ["docs.example.org"]}}, "not an absolute http or https URL"),
        ({"source": {**SITE, "seeds": ["https://me:hush@docs.example.org/"]}}, "no user, password"),
        ({"source": {"kind": "jsonl", "paths": ["https://hush@a.test/x.jsonl"]}}, r"FSSPEC_S3_KEY"),
        ({"source": {"kind": "warc", "paths": ["x"], "prefix": "s3://key:hush@bucket/"}}, "no user, password"),
        ({"source": {"kind": "jsonl", "paths": ["https://b.test/x?X-Amz-Signature=hush"]}}, "or signature"),
        ({"source": {"kind": "parquet", "paths": ["https://b.test/x?v=1&sig=hush"]}}, "or signature"),
        ({"source": {**SITE, "domains": ["ample.org"]}, "contact": "me"}, "none of them covers the seed"),
        ({"source": {"kind": "jsonl", "paths": ["x"], "columns": {"text": "a", "html": "b"}}}, "exactly one of"),
        ({"source": {"kind": "wbesite"}}, "'loopback', 'site', 'warc', 'parquet', 'jsonl'"),
        ({"user_agent": "My Bot/2"}, "no product token"),
        ({"contact": "a\r\nX-Evil: 1"}, "cannot be sent in a header"),
        ({"allow_addresses": ["10.0.0.0/99"]}, "does not appear to be"),
        ({"connect_to": {"a.test": "127.0.0.1"}}, "must read host:port"),
        ({"delay": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValidationError, match=message) as raised:
        CrawlConfig.model_validate(values)
    assert "hush" not in str(raised.value)


def test_where_connections_really_go_is_no_part_of_what_is_hashed():
    config = CrawlConfig(connect_to={"a.test:80": "127.0.0.1:5000"})
    assert config.model_dump(mode="json") == CrawlConfig().model_dump(mode="json")


def test_a_snapshot_without_an_edition_is_refused_before_anything_is_fetched(fields):
    with pytest.raises(SpecError, match=r"no edition for the snapshot 2026-01-05"):
        fields.crawl(CrawlConfig())


def test_a_crawl_that_reaches_nothing_is_no_snapshot_and_the_next_attempt_starts_anew(web, fields):
    web.robots("a.test", "User-agent: *\nDisallow: /\n")
    with pytest.raises(BuildError, match=r"kept no page \(robots 1\)"):
        fields.crawl(site_config(web))
    web.robots("a.test", "")
    web.page("a.test", "/")
    assert set(fields.crawl(site_config(web)).captures) == {"http://a.test/"}


@pytest.mark.slow
def test_the_loopback_web_is_crawled_like_any_other_and_its_second_edition_is_a_second_snapshot(fields):
    web = {"packages": [["stdlib:json"], ["stdlib:hashlib"]], "max_pages_per_host": 6}
    source = {"kind": "loopback", "web": web, "editions": {"2026-01-05": 1, "2026-01-12": 2}}
    config = CrawlConfig.model_validate({"source": source, "delay_s": 0.001, "back_off_s": 0.01, "shards": 2})
    first = fields.crawl(config, "first")
    second = fields.crawl(config, "second", "2026-01-12", previous=first)
    assert first.is_accounted()
    assert second.is_accounted()
    assert first.outcome.stats["fetched_whole"] == first.outcome.stats["kept"] > 5
    assert second.outcome.stats["not_modified"] > 0
    assert second.outcome.stats["hosts"] == first.outcome.stats["hosts"] + 1
    port_free = [url for url in second.captures if ":" in url.removeprefix("http://")]
    assert port_free == []
