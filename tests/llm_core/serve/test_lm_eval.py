"""lm-eval scores a served model through its API, offline, as the model scores itself."""

import json

import pytest
import torch

from llm_core.model.checkpoint import load_model

QUESTIONS = [
    {"question": "the tide mill turns when the", "choices": [" tide", " café", " def"], "answer": 0},
    {"question": "def mill(tide): return", "choices": [" naïve", " tide * 2", " in"], "answer": 1},
    {"question": "naïve", "choices": [" turns", " mill", " café — 潮汐"], "answer": 2},
    {"question": "the tide", "choices": [" mill", " comes in", " 🌊"], "answer": 1},
]
TASK = """
task: tides
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: question
doc_to_choice: choices
doc_to_target: answer
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""


@pytest.fixture(scope="module")
def lm_eval(tmp_path_factory):
    """lm-eval, without the network, and with its data set cache in a folder of the test."""
    pytest.importorskip("tenacity", reason="lm-eval's API models need lm-eval[api]")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.setenv(name, "1")
        patch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("huggingface")))
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        yield pytest.importorskip("lm_eval")


@pytest.mark.slow
@pytest.mark.parametrize("sends_tokens", [True, False])
def test_a_local_task_is_scored_as_the_model_scores_it(lm_eval, running, folder, tmp_path, sends_tokens):
    from lm_eval.tasks import TaskManager

    data = tmp_path / "tides.jsonl"
    data.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    (tmp_path / "tides.yaml").write_text(TASK.format(data=data))
    result = lm_eval.simple_evaluate(
        model="local-completions",
        model_args={
            "model": "tide",
            "base_url": f"{running.client.base_url}/v1/completions",
            "tokenizer": str(folder),
            "tokenizer_backend": "huggingface",
            "tokenized_requests": sends_tokens,
            "num_concurrent": 4,
        },
        tasks=["tides"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    model, tokenizer = load_model(folder), running.server.service.follower.loaded.vocabulary.tokenizer
    samples = {sample["doc"]["question"]: sample for sample in result["samples"]["tides"]}
    for question in QUESTIONS:
        scored = [float(value) for ((value, _),) in samples[question["question"]]["resps"]]
        expected = []
        for choice in question["choices"]:
            whole = tokenizer.encode(question["question"] + choice).ids
            start = len(tokenizer.encode(question["question"]).ids)
            with torch.inference_mode():
                logprobs = model(torch.tensor([whole]))[0].log_softmax(-1)
            expected.append(sum(float(logprobs[place - 1, whole[place]]) for place in range(start, len(whole))))
        assert scored == pytest.approx(expected, abs=1e-3)
