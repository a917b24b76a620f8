import queue

import pytest

from llm_core.generate.engine import Engine
from llm_core.generate.engine_thread import EngineThread
from llm_core.generate.request import Completion, Request, Sink, Update
from llm_core.generate.sampling import Sampling


@pytest.fixture
def engine(model):
    return Engine(*model)


@pytest.fixture
def thread():
    thread = EngineThread(threads=1)
    thread.start()
    yield thread
    thread.close()


def waiting_sink() -> tuple[Sink, "queue.Queue[Completion]"]:
    done: queue.Queue[Completion] = queue.Queue()

    def sink(update: Update, /) -> None:
        if update.completion is not None:
            done.put(update.completion)

    return sink, done


def test_requests_from_outside_are_answered(thread, engine, model):
    request = Request("a", (5, 6, 7), 12, sampling=Sampling(seed=1))
    sink, done = waiting_sink()
    thread.submit(engine, request, sink)
    assert done.get(timeout=30) == Engine(*model).generate([request])[0]


def test_each_of_two_models_answers_its_own_requests(thread, engine, model, other_model):
    engines = [engine, Engine(*other_model)]
    requests = [Request(name, (5, 6, 7), 30, sampling=Sampling(temperature=0.0)) for name in "abc"]
    inboxes = [waiting_sink() for _ in requests]
    for place, (request, (sink, _)) in enumerate(zip(requests, inboxes, strict=True)):
        thread.submit(engines[place % 2], request, sink)
    answers = [done.get(timeout=30) for _, done in inboxes]
    assert answers[0] == answers[2] == Engine(*model).generate(requests[:1])[0]
    assert answers[1] == Engine(*other_model).generate(requests[1:2])[0] != answers[0]


def test_a_refused_request_is_answered_by_an_error(thread, engine):
    sink, done = waiting_sink()
    thread.submit(engine, Request("a", tuple(range(200)), 1), sink)
    completion = done.get(timeout=30)
    assert completion.finish_reason == "error"
    assert "the context holds 128" in completion.error
    assert thread.is_alive


def test_closing_finishes_what_was_asked_before(thread, engine):
    inboxes = [waiting_sink() for _ in range(3)]
    for place, (sink, _) in enumerate(inboxes):
        thread.submit(engine, Request(str(place), (5, 6), 20), sink)
    thread.close()
    assert not thread.is_alive
    assert [done.get_nowait().finish_reason for _, done in inboxes] == ["length"] * 3
