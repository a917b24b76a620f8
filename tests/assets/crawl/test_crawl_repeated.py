"""Two crawls of one web give one digest: whatever the order, the concurrency, or where one of them was killed."""

import multiprocessing
import threading

import psutil
from warcio.archiveiterator import ArchiveIterator

from assets.crawl.ledger import LEDGER, Ledger
from tests.assets.crawl.hostile_web import Crawled, Field, HostileWeb, Reply, site_config

A = "http://a.test"


def test_the_digest_does_not_depend_on_how_the_crawl_went(web, fields):
    for number in range(6):
        web.page(f"h{number}.test", "/", f"http://h{(number + 1) % 6}.test/x", "/x", "/y", f"/{number}")
        web.page(f"h{number}.test", "/x", "http://h0.test/z")
    web.page("a.test", "/", *(f"/{number}" for number in range(30)), *(f"/?q={number}" for number in range(30)))
    limits = {"pages_per_host": 12, "queries_per_path": 5}
    one = fields.crawl(site_config(web, limits=limits, concurrency=1), "one", workers=1)
    many = fields.crawl(site_config(web, limits=limits, concurrency=16, warc_bytes=2000), "many", workers=2)
    assert many.outcome.digest == one.outcome.digest
    assert many.outcome.stats == one.outcome.stats
    assert many.is_accounted()
    assert all(many.payload(url) == one.payload(url) for url in one.captures)
    assert len({capture.file for capture in many.captures.values()}) > 2
    assert _archived(many) == _indexed(many)
    # The limits take a sample, the same in both crawls: 12 pages of a.test of 61.
    assert len(web.requests("a.test", pages=True)) == 2 * 12
    assert many.outcome.stats["dropped"]["limits"] + many.outcome.stats["dropped"]["trap"] == 61 - 12


def test_a_killed_crawl_leaves_no_process_goes_on_and_asks_for_nothing_that_it_had(web, fields):
    for number in range(24):
        web.page("a.test", f"/{number}", f"/{number + 1}", f"/{number + 2}", f"http://b.test/{number}")
        web.page("b.test", f"/{number}", f"/{number + 1}", text=f"b {number}")
    web.page("a.test", "/", "/0", "/missing")
    config = site_config(web, delay_s=0.005, warc_bytes=3000, limits={"depth": 100})
    undisturbed = fields.crawl(config, "undisturbed")
    web.log.clear()
    _crawl_and_kill(web, fields, config, pages=20)
    whole = _finished(fields, config.shards) | {f"{A}/robots.txt", "http://b.test/robots.txt"}
    web.log.clear()
    result = fields.crawl(config, "killed")
    assert _asked(web)
    assert not whole & _asked(web)
    assert len(whole) > 3
    assert result.outcome.digest == undisturbed.outcome.digest
    assert result.outcome.stats == undisturbed.outcome.stats
    assert all(result.payload(url) == undisturbed.payload(url) for url in undisturbed.captures)
    assert _archived(result) == _indexed(result)


def _crawl_and_kill(web: HostileWeb, fields: Field, config, pages: int) -> None:
    """Crawl in another process, and kill that with SIGKILL when the server was asked `pages` times."""
    reached, answer = threading.Event(), HostileWeb.answer

    def counted(host, path, headers) -> Reply:
        if len(web.log) >= pages:
            reached.set()
        return answer(web, host, path, headers)

    web.answer = counted
    process = multiprocessing.get_context("spawn").Process(target=_crawl, args=(fields, config))
    process.start()
    assert reached.wait(60)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join()
    assert family
    assert psutil.wait_procs(family, timeout=20)[1] == []


def _crawl(fields: Field, config) -> None:
    fields.crawl(config, "killed")


def _finished(fields: Field, shards: int) -> set[str]:
    ledger = Ledger(fields.build("killed").scratch / LEDGER, shards)
    whole = {url for (url,) in ledger.db.execute("SELECT url FROM pages WHERE state > 1 AND admitted")}
    ledger.close()
    return whole


def _asked(web: HostileWeb) -> set[str]:
    return {f"http://{request.host}{request.path}" for request in web.log}


def _indexed(crawled: Crawled) -> set[tuple[str, str]]:
    return {(capture.file, url) for url, capture in crawled.captures.items()}


def _archived(crawled: Crawled) -> set[tuple[str, str]]:
    """Every record of the WARC files; each has exactly one, and each file begins with a warcinfo."""
    found = []
    for path in sorted((crawled.folder / "warc").iterdir()):
        with path.open("rb") as file:
            records = [(r.rec_type, r.rec_headers.get_header("WARC-Target-URI")) for r in ArchiveIterator(file)]
        assert records[0][0] == "warcinfo"
        found += [(f"warc/{path.name}", url) for _, url in records[1:]]
    assert len(found) == len(set(found))
    return set(found)
