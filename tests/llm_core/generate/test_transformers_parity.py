"""transformers' ``generate`` on the exported model is the independent reference for greedy text."""

import pytest
import torch

from llm_core.generate.engine import Engine
from llm_core.generate.request import Request
from llm_core.generate.sampling import Sampling
from llm_core.interop.huggingface import export_huggingface


def test_a_batch_of_unequal_prompts_writes_what_transformers_writes(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer_file = tmp_path / "tokenizer.json"
    model.vocabulary.tokenizer.save(str(tokenizer_file))
    export_huggingface(model.transformer, tmp_path / "exported", tokenizer_file=tokenizer_file)
    reference = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()

    prompts = [tuple(range(10, 10 + length)) for length in (2, 9, 23)]
    ends = frozenset(model.vocabulary.special[token] for token in ("<|eos|>", "<|end|>"))
    requests = [
        Request(str(len(prompt)), prompt, 40, sampling=Sampling(temperature=0.0), end_ids=ends) for prompt in prompts
    ]
    for prompt, completion in zip(prompts, Engine(*model).generate(requests), strict=True):
        tokens = torch.tensor([prompt])
        with torch.inference_mode():
            expected = reference.generate(
                tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=40, do_sample=False
            )
        assert [token.id for token in completion.tokens] == expected[0, len(prompt) :].tolist()
