import json

import httpx
import pytest
import torch

from llm_core.model.checkpoint import load_model
from llm_core.serve.config import ServeConfig
from tests.llm_core.serve.folder_source import FolderSource

PROMPT = "the tide mill turns"


def events(response: httpx.Response) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_an_answer_has_openais_shape_and_names_its_version(running, folder):
    answer = running.complete(model="tide", prompt=PROMPT, max_tokens=12, temperature=0)
    assert answer["id"].startswith("cmpl-")
    assert (answer["object"], answer["model"]) == ("text_completion", "tide")
    assert answer["model_version"] == FolderSource(folder).current().version
    assert answer["choices"][0]["finish_reason"] == "length"
    prompt_tokens = answer["usage"]["prompt_tokens"]
    assert answer["usage"] == {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": 12,
        "total_tokens": prompt_tokens + 12,
    }


def test_text_and_its_token_ids_are_the_same_prompt(running):
    tokens = running.server.service.follower.loaded.vocabulary.tokenizer.encode(PROMPT).ids
    by_text = running.complete(prompt=PROMPT, max_tokens=10, temperature=0)
    by_tokens = running.complete(prompt=tokens, max_tokens=10, temperature=0)
    assert by_text["choices"] == by_tokens["choices"]


def test_each_of_several_prompts_is_answered_as_alone(running):
    prompts = ["the", "tide mill turns when", "def"]
    together = running.complete(prompt=prompts, max_tokens=8, temperature=0.8, seed=3)
    alone = [running.complete(prompt=prompt, max_tokens=8, temperature=0.8, seed=3) for prompt in prompts]
    assert [choice["index"] for choice in together["choices"]] == [0, 1, 2]
    assert [c["text"] for c in together["choices"]] == [a["choices"][0]["text"] for a in alone]
    assert together["usage"]["completion_tokens"] == sum(a["usage"]["completion_tokens"] for a in alone)


def test_a_seed_repeats_an_answer(running):
    first, again, other = (
        running.complete(prompt=PROMPT, max_tokens=20, seed=seed)["choices"][0]["text"] for seed in (5, 5, 6)
    )
    assert first == again != other


def test_echo_with_logprobs_is_the_models_own_log_likelihood(running, folder):
    answer = running.complete(prompt=PROMPT, max_tokens=0, echo=True, logprobs=1)
    choice = answer["choices"][0]
    tokens = running.server.service.follower.loaded.vocabulary.tokenizer.encode(PROMPT).ids
    with torch.inference_mode():
        scores = load_model(folder)(torch.tensor([tokens]))[0].log_softmax(-1)
    expected = [float(scores[place, token]) for place, token in enumerate(tokens[1:])]
    assert choice["text"] == PROMPT
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert choice["logprobs"]["token_logprobs"][1:] == pytest.approx(expected, abs=1e-4)
    assert "".join(choice["logprobs"]["tokens"]) == PROMPT
    for offset, token in zip(choice["logprobs"]["text_offset"], choice["logprobs"]["tokens"], strict=True):
        assert PROMPT[offset:].startswith(token)
    assert answer["usage"]["completion_tokens"] == 0


def test_greedy_tokens_are_the_likeliest_of_their_alternatives(running):
    logprobs = running.complete(prompt=PROMPT, max_tokens=10, temperature=0, logprobs=3)["choices"][0]["logprobs"]
    for value, alternatives in zip(logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True):
        assert value == max(alternatives.values())
        assert len(alternatives) == 3


def test_a_stop_string_ends_the_text_before_it(running):
    free = running.complete(prompt=PROMPT, max_tokens=40, temperature=0)["choices"][0]["text"]
    stop = free[10:13]
    choice = running.complete(prompt=PROMPT, max_tokens=40, temperature=0, stop=[stop])["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == (free[: free.index(stop)], "stop")


def test_a_stream_joins_to_the_whole_answer(running):
    body = {"prompt": PROMPT, "max_tokens": 60, "temperature": 1.2, "seed": 8}
    whole = running.complete(**body)
    response = running.post("/v1/completions", **body, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, last = events(response)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["choices"][0]["text"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert len(chunks) > 10


def test_a_stream_of_several_prompts_echoes_and_scores_each(running):
    body = {"prompt": ["the tide", "mill"], "max_tokens": 6, "temperature": 0, "echo": True, "logprobs": 0}
    whole = running.complete(**body)["choices"]
    chunks = events(running.post("/v1/completions", **body, stream=True))
    for index in (0, 1):
        pieces = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert "".join(piece["text"] for piece in pieces) == whole[index]["text"]
        for part in ("tokens", "token_logprobs", "text_offset"):
            joined = [value for piece in pieces for value in piece["logprobs"][part]]
            assert joined == whole[index]["logprobs"][part] or part == "token_logprobs"


def test_concurrent_requests_share_forward_passes(running):
    before = running.metric("llm_forward_passes_total")
    running.complete(prompt=["the", "tide mill", "turns when the", "def"] * 2, max_tokens=30, temperature=0)
    assert 30 <= running.metric("llm_forward_passes_total") - before <= 33


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "prompt", "required"),
        ({"prompt": ""}, "prompt", "no tokens"),
        ({"prompt": []}, "prompt", "give 1 to"),
        ({"prompt": [5, 300]}, "prompt", "ids go from 0 to 299"),
        ({"prompt": 7}, "prompt", ""),
        ({"prompt": "a", "n": 2}, "n", "not supported"),
        ({"prompt": "a", "best_of": 3}, "best_of", "not supported"),
        ({"prompt": "a", "logit_bias": {"5": 1.0}}, "logit_bias", "not supported"),
        ({"prompt": "a", "top_k": 5}, "top_k", "not supported"),
        ({"prompt": "a", "temperature": -1}, "temperature", "from 0 to 2"),
        ({"prompt": "a", "top_p": 0}, "top_p", "above 0"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens", "from 0 to"),
        ({"prompt": "a", "max_tokens": "many"}, "max_tokens", "integer"),
        ({"prompt": "a", "max_tokens": 5000}, "max_tokens", "from 0 to 1024"),
        ({"prompt": "a", "max_tokens": 256}, "prompt", "context of 256"),
        ({"prompt": "a", "logprobs": 99}, "logprobs", "from 0 to 20"),
        ({"prompt": "a", "stop": list("abcde")}, "stop", "more than 4"),
        ({"prompt": "a", "stop": ""}, "stop", "1 to 200"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(running, body, param, message):
    response = running.post("/v1/completions", **body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert message in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a", "\\ud800": 1}',
        b'{"prompt": "a", "model": "\\ud800"}',
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": ["a", 1]}',
        b'{"prompt": [[]]}',
        b'{"prompt": [1e30]}',
        b'{"prompt": "a", "stream_options": {"x": 1}}',
    ],
)
def test_a_hostile_body_is_a_client_error_and_nothing_more(running, body):
    response = running.client.post("/v1/completions", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_what_is_not_json_not_served_or_not_there_is_said_in_the_same_shape(running):
    headers = {"content-type": "application/json"}
    assert (
        "not JSON" in running.client.post("/v1/completions", content=b"{", headers=headers).json()["error"]["message"]
    )
    other = running.post("/v1/completions", prompt="a", model="other")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert running.client.get("/nowhere").json()["error"]["type"] == "not_found_error"
    assert running.client.get("/v1/completions").status_code == 405


def test_a_body_beyond_the_limit_is_refused_declared_or_not(serve, folder):
    with serve(FolderSource(folder), limits=ServeConfig(threads=1, max_body_bytes=1000)) as running:
        declared = running.post("/v1/completions", prompt="a" * 2000)
        chunked = running.client.post("/v1/completions", content=iter([b"x" * 600, b"x" * 600]))
        assert (declared.status_code, chunked.status_code) == (413, 413)
        assert "larger than 1000 bytes" in chunked.json()["error"]["message"]
        assert running.complete(prompt="a", max_tokens=1)["usage"]["completion_tokens"] == 1
