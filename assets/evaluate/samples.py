"""What the models write: continuations of held-out documents, and answers about documented names."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOutDocument, draw_key
from assets.evaluate.signatures import find_signatures
from assets.vocabulary import SPECIAL_TOKENS, TEMPLATE_FILE, Vocabulary
from llm_core.generate.engine import Engine
from llm_core.generate.request import Request
from llm_core.generate.sampling import Sampling
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.transformer import Transformer
from llm_core.serve.chat_template import ChatTemplate, Message

TRUTH_CHARACTERS = 400


@dataclass(frozen=True)
class Prompt:
    """A prompt as text and as tokens, and what the document says there."""

    document: HeldOutDocument
    text: str
    tokens: Sequence[int]
    truth: str


def continuations(documents: Sequence[HeldOutDocument], vocabulary: Vocabulary, config: EvaluateConfig) -> list[Prompt]:
    """The beginnings of some held-out documents, drawn by the seed, with how they go on."""
    decode, end = vocabulary.tokenizer.decode, 1 + config.sample_prompt_tokens
    prompts = []
    for document in documents:
        tokens = document.tokens.tolist()
        if len(tokens) > end:
            truth = decode(tokens[end : end + config.sample_tokens])
            prompts.append(Prompt(document, decode(tokens[1:end]), tokens[:end], truth))
    return _drawn(prompts, config)


def chat_questions(
    documents: Sequence[HeldOutDocument], vocabulary: Vocabulary, checkpoint: Path, config: EvaluateConfig
) -> list[Prompt]:
    """What is asked of a chat model: what a documented name does; the document's own words are the truth."""
    chat = ChatTemplate((checkpoint / TEMPLATE_FILE).read_text(encoding="utf-8"), SPECIAL_TOKENS)
    prompts = []
    for document in documents:
        for signature in find_signatures(document.id, document.text)[:1]:
            text = f"What does {signature.name} do?"
            tokens = vocabulary.encode_rendered(chat.render([Message("user", text)]))
            prompts.append(Prompt(document, text, tokens, signature.following[:TRUTH_CHARACTERS]))
    return _drawn(prompts, config)


def sample_lines(
    name: str, model: Transformer, vocabulary: Vocabulary, prompts: Sequence[Prompt], config: EvaluateConfig
) -> Iterator[str]:
    """What a model writes after each prompt, the likeliest tokens and a draw of a fixed seed, as lines of JSON."""
    token_bytes = TokenBytes(vocabulary.tokenizer)
    room = max(1, model.config.max_positions - config.sample_tokens)
    greedily = Sampling(temperature=0.0)
    drawn = Sampling(temperature=config.sample_temperature, top_p=config.sample_top_p, seed=config.seed)
    requests = [
        Request(
            id=f"{number}-{style}",
            prompt=tuple(prompt.tokens[-room:]),
            max_tokens=config.sample_tokens,
            sampling=sampling,
            end_ids=token_bytes.special_ids,
        )
        for number, prompt in enumerate(prompts)
        for style, sampling in enumerate((greedily, drawn))
    ]
    texts = [completion.text for completion in Engine(model, token_bytes).generate(requests)]
    for prompt, greedy, sampled in zip(prompts, texts[::2], texts[1::2], strict=True):
        sample = {
            "model": name,
            "document": prompt.document.id,
            "url": prompt.document.url,
            "prompt": prompt.text,
            "truth": prompt.truth,
            "greedy": greedy,
            "sampled": sampled,
        }
        yield json.dumps(sample, ensure_ascii=False) + "\n"


def _drawn(prompts: Sequence[Prompt], config: EvaluateConfig) -> list[Prompt]:
    return sorted(prompts, key=lambda prompt: draw_key(config.seed, prompt.document.id))[: config.sample_prompts]
