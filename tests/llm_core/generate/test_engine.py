import pytest
import torch

from llm_core.generate.engine import Engine, EngineConfig
from llm_core.generate.request import Completion, GenerationError, Request, Update
from llm_core.generate.sampling import Sampling
from tests.llm_core.generate.conftest import TinyModel

GREEDY = Sampling(temperature=0.0)
PROMPTS = [tuple(range(10 + i, 10 + i + n)) for i, n in enumerate([3, 17, 1, 40, 8, 25, 5, 12])]
LENGTHS = [20, 5, 31, 12, 40, 1, 9, 26]


def greedy_by_full_forward(model: TinyModel, prompt: tuple[int, ...], count: int) -> list[int]:
    """The plain loop: the whole sequence through the model again for each token."""
    tokens = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            tokens.append(int(model.transformer(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def log_likelihoods(model: TinyModel, tokens: list[int]) -> list[float]:
    """The model's own log-probability of each token after the first."""
    with torch.inference_mode():
        logprobs = model.transformer(torch.tensor([tokens]))[0].log_softmax(-1)
    return [float(logprobs[place, token]) for place, token in enumerate(tokens[1:])]


def ids(completion: Completion) -> list[int]:
    return [token.id for token in completion.tokens]


class Inbox:
    """Keeps every update of a request."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def __call__(self, update: Update, /) -> None:
        self.updates.append(update)

    @property
    def completion(self) -> Completion | None:
        return self.updates[-1].completion if self.updates else None


def run(engine: Engine) -> None:
    while engine.is_busy:
        engine.step()


def test_greedy_tokens_are_those_of_the_plain_loop(model):
    request = Request("a", PROMPTS[1], 30, sampling=GREEDY)
    expected = greedy_by_full_forward(model, PROMPTS[1], 30)
    assert len(set(expected)) > 5, "a model that repeats one token would prove little"
    assert ids(Engine(*model).generate([request])[0]) == expected


@pytest.mark.parametrize("step_tokens", [1, 7, 16, 512])
def test_a_prompt_read_in_chunks_gives_the_same_tokens(model, step_tokens):
    engine = Engine(*model, EngineConfig(step_tokens=step_tokens))
    completion = engine.generate([Request("a", PROMPTS[3], 10, sampling=GREEDY)])[0]
    assert ids(completion) == greedy_by_full_forward(model, PROMPTS[3], 10)
    assert engine.stats.forward_passes == -(-40 // step_tokens) + 9


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.9, 0.8, seed=4), Sampling(1.2, 1.0, seed=4)])
@pytest.mark.parametrize("config", [EngineConfig(slots=8), EngineConfig(slots=3, step_tokens=24, pass_cost_tokens=4)])
def test_each_of_eight_concurrent_requests_gets_its_tokens_as_alone(model, sampling, config):
    requests = [
        Request(str(i), prompt, count, sampling=sampling)
        for i, (prompt, count) in enumerate(zip(PROMPTS, LENGTHS, strict=True))
    ]
    together = Engine(*model, config).generate(requests)
    assert [ids(completion) for completion in together] == [ids(Engine(*model).generate([r])[0]) for r in requests]


def test_forward_passes_follow_the_longest_request_not_the_sum(model):
    engine = Engine(*model, EngineConfig(slots=8))
    requests = [
        Request(str(i), prompt, count, sampling=GREEDY)
        for i, (prompt, count) in enumerate(zip(PROMPTS, LENGTHS, strict=True))
    ]
    engine.generate(requests)
    assert max(LENGTHS) <= engine.stats.forward_passes <= max(LENGTHS) + 3
    assert engine.stats.generated_tokens == sum(LENGTHS)
    assert engine.stats.prompt_tokens == sum(map(len, PROMPTS))


def test_a_request_joins_a_running_batch_and_leaves_it_first(model):
    engine, long, short = Engine(*model), Inbox(), Inbox()
    engine.submit(Request("long", PROMPTS[0], 30, sampling=GREEDY), long)
    for _ in range(10):
        engine.step()
    engine.submit(Request("short", PROMPTS[1], 5, sampling=GREEDY), short)
    while short.completion is None:
        engine.step()
    assert long.completion is None
    assert engine.stats.forward_passes == 15
    run(engine)
    assert ids(long.completion) == greedy_by_full_forward(model, PROMPTS[0], 30)
    assert ids(short.completion) == greedy_by_full_forward(model, PROMPTS[1], 5)


def test_more_requests_than_slots_wait_their_turn(model):
    engine, inboxes = Engine(*model, EngineConfig(slots=2)), [Inbox() for _ in range(5)]
    for i, inbox in enumerate(inboxes):
        engine.submit(Request(str(i), PROMPTS[i], 4, sampling=GREEDY), inbox)
    engine.step()
    assert (len(engine.running), len(engine.waiting)) == (2, 3)
    run(engine)
    assert [ids(inbox.completion) for inbox in inboxes] == [
        greedy_by_full_forward(model, PROMPTS[i], 4) for i in range(5)
    ]


def test_scores_are_the_models_own(model):
    request = Request("a", PROMPTS[3], 6, sampling=Sampling(seed=2), scores_prompt=True, logprobs=2)
    completion = Engine(*model, EngineConfig(step_tokens=9)).generate([request])[0]
    expected = log_likelihoods(model, [*PROMPTS[3], *ids(completion)])
    assert [token.id for token in completion.prompt] == list(PROMPTS[3])
    assert completion.prompt[0].logprob is None
    scored = [*completion.prompt[1:], *completion.tokens]
    assert [token.logprob for token in scored] == pytest.approx(expected, abs=1e-4)
    assert all(len(token.top) == 2 and token.top[0][1] >= token.top[1][1] for token in scored)


def test_a_request_for_no_tokens_only_scores_its_prompt(model):
    engine = Engine(*model)
    completion = engine.generate([Request("a", PROMPTS[1], 0, scores_prompt=True)])[0]
    assert (completion.text, completion.tokens, completion.finish_reason) == ("", (), "length")
    assert sum(token.logprob for token in completion.prompt[1:]) == pytest.approx(
        sum(log_likelihoods(model, list(PROMPTS[1]))), abs=1e-3
    )
    assert engine.stats.forward_passes == 1


def test_a_stop_string_across_token_borders_ends_the_text(model):
    free = Engine(*model).generate([Request("a", PROMPTS[4], 30, sampling=GREEDY)])[0]
    # The last character of one token and the first of the next: no token contains the string.
    starts = [token.offset for token in free.tokens]
    stop = next(
        free.text[at - 1 : at + 1]
        for at in starts[4:]
        if free.text.find(free.text[at - 1 : at + 1]) == at - 1 and "�" not in free.text[at - 1 : at + 1]
    )
    inbox, engine = Inbox(), Engine(*model)
    engine.submit(Request("b", PROMPTS[4], 30, sampling=GREEDY, stop=(stop,), streams=True), inbox)
    run(engine)
    assert inbox.completion.text == free.text[: free.text.index(stop)]
    assert inbox.completion.finish_reason == "stop"
    assert "".join(update.text for update in inbox.updates) == inbox.completion.text
    assert len(inbox.completion.tokens) < 30


def test_an_end_token_ends_the_text_and_is_not_in_it(model):
    free = Engine(*model).generate([Request("a", PROMPTS[4], 30, sampling=GREEDY)])[0]
    end = free.tokens[12]
    first = next(place for place, token in enumerate(free.tokens) if token.id == end.id)
    ended = Engine(*model).generate([Request("b", PROMPTS[4], 30, sampling=GREEDY, end_ids=frozenset({end.id}))])[0]
    assert ids(ended) == ids(free)[: first + 1]
    assert ended.finish_reason == "stop"
    assert ended.text.rstrip("�") == free.text[: free.tokens[first].offset].rstrip("�")


def test_streamed_pieces_join_to_the_text_and_the_tokens(model):
    inbox, engine = Inbox(), Engine(*model)
    engine.submit(Request("a", PROMPTS[2], 40, sampling=Sampling(1.5, seed=9), streams=True, logprobs=0), inbox)
    run(engine)
    assert len(inbox.updates) > 10
    assert "".join(update.text for update in inbox.updates) == inbox.completion.text
    assert tuple(token for update in inbox.updates for token in update.tokens) == inbox.completion.tokens
    assert inbox.completion.text == model.vocabulary.tokenizer.decode(ids(inbox.completion), skip_special_tokens=False)


def test_a_full_context_ends_the_text(model):
    prompt = tuple(range(2, 120))
    completion = Engine(*model).generate([Request("a", prompt, 50, sampling=GREEDY)])[0]
    assert (len(completion.tokens), completion.finish_reason) == (128 - 118, "length")


def test_cancelling_frees_the_slot_and_keeps_what_was_written(model):
    engine, first, second = Engine(*model, EngineConfig(slots=1)), Inbox(), Inbox()
    engine.submit(Request("first", PROMPTS[0], 50, sampling=GREEDY), first)
    engine.submit(Request("second", PROMPTS[1], 3, sampling=GREEDY), second)
    for _ in range(4):
        engine.step()
    engine.cancel("first")
    assert (first.completion.finish_reason, len(first.completion.tokens)) == ("cancelled", 4)
    run(engine)
    assert ids(second.completion) == greedy_by_full_forward(model, PROMPTS[1], 3)


def test_a_failing_model_ends_its_requests_and_not_the_engine(model, monkeypatch):
    engine = Engine(*model)
    with monkeypatch.context() as patch:
        patch.setattr(model.transformer, "states", lambda *_, **__: 1 / 0)
        broken = engine.generate([Request("broken", PROMPTS[0], 5)])[0]
    assert broken.finish_reason == "error"
    assert "ZeroDivisionError" in broken.error
    sound = engine.generate([Request("sound", PROMPTS[0], 5, sampling=GREEDY)])[0]
    assert ids(sound) == greedy_by_full_forward(model, PROMPTS[0], 5)


@pytest.mark.parametrize(
    ("prompt", "message"), [(tuple(range(129)), "context holds 128"), ((5, 300), "not from 0 to 299")]
)
def test_a_prompt_that_cannot_run_is_refused(model, prompt, message):
    with pytest.raises(GenerationError, match=message):
        Engine(*model).submit(Request("a", prompt, 1), Inbox())
