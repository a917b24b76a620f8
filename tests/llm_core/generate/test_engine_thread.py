import queue

import pytest

from llm_core.generate.engine import Engine
from llm_core.generate.engine_thread import EngineThread
from llm_core.generate.request import Completion, Request, Sink, Update
from llm_core.generate.sampling import Sampling


@pytest.fixture
def thread(model):
    thread = EngineThread(Engine(model), threads=1)
    thread.start()
    yield thread
    thread.close()


def waiting_sink() -> tuple[Sink, "queue.Queue[Completion]"]:
    done: queue.Queue[Completion] = queue.Queue()

    def sink(update: Update, /) -> None:
        if update.completion is not None:
            done.put(update.completion)

    return sink, done


def test_requests_from_outside_are_answered(thread, model):
    request = Request("a", (5, 6, 7), 12, sampling=Sampling(seed=1))
    sink, done = waiting_sink()
    thread.submit(request, sink)
    assert done.get(timeout=30) == Engine(model).generate([request])[0]


def test_a_refused_request_is_answered_by_an_error(thread):
    sink, done = waiting_sink()
    thread.submit(Request("a", tuple(range(200)), 1), sink)
    completion = done.get(timeout=30)
    assert completion.finish_reason == "error"
    assert "the context holds 128" in completion.error
    assert thread.is_alive


def test_closing_finishes_what_was_asked_before(thread):
    inboxes = [waiting_sink() for _ in range(3)]
    for place, (sink, _) in enumerate(inboxes):
        thread.submit(Request(str(place), (5, 6), 20), sink)
    thread.close()
    assert not thread.is_alive
    assert [done.get_nowait().finish_reason for _, done in inboxes] == ["length"] * 3
