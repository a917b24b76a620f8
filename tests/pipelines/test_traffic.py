"""Traffic: which questions are asked, and what is told of the answers."""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.documents import DOCUMENT_SCHEMA, Document, document_id
from pipelines.cli.main import main
from pipelines.traffic import package_documents, pools, replay
from resources.artifact import Recipe
from resources.build import Outcome
from resources.errors import SpecError
from resources.journal import Journal
from resources.lake import Lake

MODEL = "tidemill-smoke"
SNAPSHOT = "2026-01-05"


class Server(ThreadingHTTPServer):
    """Answers as the model server does, with the statuses that it is told; the last one goes on for ever."""

    def __init__(self, statuses: list[int]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.asked, self.lock = statuses, [], threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body["messages"][0]["content"])
            status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        answer = json.dumps({"model_version": "3"} if status == 200 else {"error": {"message": "busy"}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[Server] = []

    def start(*statuses: int) -> Server:
        servers.append(Server(list(statuses)))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A champion whose reference is about the held-out documents of one corpus."""
    lake = Lake(tmp_path / "lake", tmp_path)

    def commit(stage: str, parents=(), documents=()):
        def run(build):
            build.write("words", stage)
            with build.file("documents/00000.parquet") as path:
                pq.write_table(pa.Table.from_pylist([asdict(d) for d in documents], schema=DOCUMENT_SCHEMA), path)
            return Outcome({})

        return lake.build(Recipe(stage, SNAPSHOT, {}, parents=parents), run)[0]

    corpus = commit(
        "quality_filtered", documents=[_document("sluice", "held_out"), _document("weir", "train"), _document("lock")]
    )
    checkpoint = commit("pretrained_checkpoint")
    commit("reference", (corpus, checkpoint))
    Journal(lake.store, MODEL).decide("promoted", checkpoint, commit("promotion"), "better")
    return lake


def _document(name: str, split: str | None = None) -> Document:
    url = f"http://{name}.test/"
    text = f"# {name}.open\n\nThis lets the water of the {name} run through."
    return Document(id=document_id(url, SNAPSHOT), url=url, text=text, snapshot=SNAPSHOT, split=split)


def test_in_domain_questions_are_about_held_out_documents_of_the_champion_only(lake):
    asked = list(pools(lake, MODEL, ["stdlib:textwrap"], seed=0, size=50).draw(200, shift=0, seed=0))
    assert len(asked) == 200
    assert all("sluice" in question for question in asked)


def test_shifted_questions_are_about_real_text_of_another_package(lake):
    drawn = pools(lake, MODEL, ["stdlib:textwrap"], seed=0, size=50)
    asked = list(drawn.draw(200, shift=1, seed=0))
    assert any("textwrap" in question for question in asked)
    assert not any("sluice" in question for question in asked)
    mixed = ["sluice" in question for question in drawn.draw(400, shift=0.25, seed=0)]
    assert 0.65 < sum(mixed) / len(mixed) < 0.85


def test_the_same_seed_asks_the_same(lake):
    first, again, other = (
        list(pools(lake, MODEL, ["stdlib:textwrap"], seed=seed, size=50).draw(50, 0.5, seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_subject_that_the_champion_is_judged_on_is_no_shift(lake, monkeypatch):
    monkeypatch.setattr("pipelines.traffic.package_documents", lambda _: [_document("sluice")])
    with pytest.raises(SpecError, match=r"about sluice\.test too"):
        pools(lake, MODEL, ["sluice"], seed=0)


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(SpecError, match="no-such-package"):
        package_documents("no-such-package")


def test_each_question_is_asked_once_and_failures_are_counted_not_repeated(serve):
    server = serve(200, 503, 200)
    questions = [f"What is {number}?" for number in range(20)]
    replayed = replay(server.url, questions, rate=500)
    assert sorted(server.asked) == sorted(questions)
    assert (replayed.answered, replayed.failed) == (19, 1)
    assert [reason.startswith("status 503") for reason in replayed.failures] == [True]
    assert replayed.versions == ["3"]
    assert replayed.latency_s(0.5) <= replayed.latency_s(0.95)


def test_a_server_that_is_not_there_fails_every_request():
    replayed = replay("http://127.0.0.1:9", ["What?"] * 3, rate=500)
    assert (replayed.answered, replayed.failed, replayed.latest) == (0, 3, None)


def test_an_answer_that_is_no_json_has_failed(serve, monkeypatch):
    monkeypatch.setattr(json, "dumps", lambda _: "<html>")
    replayed = replay(serve(200).url, ["What?"], rate=500)
    assert (replayed.answered, [reason.partition(":")[0] for reason in replayed.failures]) == (0, ["JSONDecodeError"])


def test_what_a_question_raises_reaches_the_caller(serve):
    def asked():
        yield "What?"
        raise SpecError("no more")

    with pytest.raises(SpecError, match="no more"):
        replay(serve(200).url, asked(), rate=500)


def test_the_verb_tells_what_became_of_the_requests(lake, tmp_path, serve, capsys):
    options = ["--profile", "smoke", "--home", str(tmp_path), "--count", "10", "--rate", "500", "--json"]
    options += ["--shift", "0.5", "--subject", "stdlib:textwrap"]
    assert main(["traffic", *options, "--url", serve(200).url]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["answered"], told["failed"], told["versions"]) == (10, 0, ["3"])
    assert main(["traffic", *options, "--url", serve(500).url]) == 1


@pytest.mark.parametrize(("option", "value"), [("--shift", "1.5"), ("--rate", "0"), ("--count", "0")])
def test_impossible_traffic_is_refused(option, value, capsys, tmp_path):
    assert main(["traffic", "--home", str(tmp_path), option, value]) == 2
    assert option in capsys.readouterr().err
