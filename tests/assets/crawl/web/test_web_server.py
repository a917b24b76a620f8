"""HTTP as the web speaks it."""

import gzip
import os
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from assets.crawl.web.config import WebConfig
from assets.crawl.web.server import Answers, serve_web
from assets.crawl.web.site import BUSY, PageKind
from resources.errors import SpecError


@pytest.fixture
def answers(first):
    return Answers(first)


def get(answers, host, target, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answers.answer(target, {"host": host, **fields})


def find(first, kind):
    return next((host, page) for host, site in first.items() for page in site.pages.values() if page.kind is kind)


def test_a_page_that_did_not_change_is_answered_with_304(answers):
    whole = get(answers, "click.docs.test", "/")
    headers = dict(whole.headers)
    for condition in (
        {"if_none_match": headers["ETag"]},
        {"if_modified_since": headers["Last-Modified"]},
    ):
        answer = get(answers, "click.docs.test", "/", **condition)
        assert (answer.status, answer.body) == (304, b"")
    for condition in (
        {"if_none_match": '"other"', "if_modified_since": headers["Last-Modified"]},
        {"if_modified_since": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"if_modified_since": "yesterday"},
    ):
        assert get(answers, "click.docs.test", "/", **condition).status == 200


def test_gzip_is_sent_only_to_who_asks(answers):
    plain = get(answers, "click.docs.test", "/")
    packed = get(answers, "click.docs.test", "/", accept_encoding="br, gzip")
    assert "Content-Encoding" not in dict(plain.headers)
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_moved_pages_redirect_to_pages(first, answers):
    host, page = find(first, PageKind.MOVED)
    answer = get(answers, host, page.path)
    assert answer.status in (301, 302)
    target = dict(answer.headers)["Location"]
    assert get(answers, host, target.removeprefix(f"http://{host}")).status == 200


def test_the_busy_page_wants_to_be_left_alone_for_a_while(first, answers):
    host, _ = find(first, PageKind.BUSY)
    refused = get(answers, host, BUSY)
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (429, "2")
    assert get(answers, host, BUSY).status == 200


def test_the_calendar_never_ends_and_session_ids_change_nothing(first, answers):
    host, _ = find(first, PageKind.CALENDAR)
    assert b"2087/01/" in get(answers, host, "/calendar/2086/12/").body
    assert get(answers, host, "/calendar/2086/13/").status == 404
    assert get(answers, host, "/?sid=1f").body == get(answers, host, "/").body


def test_what_is_not_there_or_not_allowed_is_said(answers):
    assert get(answers, "click.docs.test", "/gone/1.html").status == 404
    assert get(answers, "unknown.test", "/").status == 404
    assert get(answers, "", "/").status == 404
    assert get(answers, "click.docs.test", "/robots.txt").body.startswith(b"#")
    assert get(answers, "click.docs.test", "/sitemap.xml").status == 200


SMALL = WebConfig(packages=(("stdlib:json",),))


def test_the_web_is_served_on_loopback():
    with serve_web(SMALL, 1) as web, httpx.Client(base_url=f"http://{web.address}:{web.port}") as client:
        assert web.hosts == ("json.python.docs.test",)
        host = {"Host": web.hosts[0]}
        page = client.get("/", headers=host)
        assert page.status_code == 200
        bare = client.head("/", headers={**host, "Accept-Encoding": "identity"})
        assert (bare.headers["Content-Length"], bare.content) == (str(len(page.content)), b"")
        assert client.get("/", headers={**host, "If-None-Match": page.headers["ETag"]}).status_code == 304
        assert client.post("/", headers=host, content=b"x").status_code == 501
        assert client.get("/nothing", headers=host).status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{web.address}:{web.port}/")


def test_a_web_that_cannot_be_built_is_an_error_here():
    with pytest.raises(SpecError, match="not installed"), serve_web(WebConfig(packages=(("no-such-thing",),)), 1):
        pass


def test_the_workers_that_read_packages_die_with_whoever_started_them():
    script = (
        "import multiprocessing, os, sys; from concurrent.futures import ProcessPoolExecutor\n"
        "from resources.lifeline import exit_with_pool\n"
        "context = multiprocessing.get_context('forkserver')\n"
        "with ProcessPoolExecutor(1, mp_context=context, initializer=exit_with_pool) as pool:\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        worker.wait(timeout=30)
    assert not worker.is_running()
