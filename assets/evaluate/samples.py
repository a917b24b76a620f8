"""What the models write: continuations of held-out documents, and answers about documented names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOut, draw_key
from assets.evaluate.signatures import find_signatures
from llm_core.generate.engine import Engine
from llm_core.generate.lane import EngineModel
from llm_core.generate.request import Request
from llm_core.generate.sampling import Sampling
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.transformer import Transformer
from llm_core.serve.bodies import Message
from llm_core.serve.chat_template import ChatTemplate

TRUTH_CHARACTERS = 400


@dataclass(frozen=True)
class Prompt:
    """A prompt as text and as tokens, and what the document says there."""

    document: str
    url: str
    text: str
    tokens: tuple[int, ...]
    truth: str


@dataclass(frozen=True)
class Sample:
    """What a model wrote after a prompt: the likeliest tokens, and a draw of a fixed seed."""

    model: str
    document: str
    url: str
    prompt: str
    truth: str
    greedy: str
    sampled: str


def continuations(held_out: HeldOut, tokenizer: Tokenizer, config: EvaluateConfig) -> list[Prompt]:
    """The beginnings of some held-out documents, drawn by the seed, with how they go on."""
    count, more = config.sample_prompt_tokens, config.sample_tokens
    prompts = [
        Prompt(
            document=document.id,
            url=document.url,
            text=tokenizer.decode(document.tokens[:count].tolist()),
            tokens=(held_out.start, *document.tokens[:count].tolist()),
            truth=tokenizer.decode(document.tokens[count : count + more].tolist()),
        )
        for document in held_out.documents
        if document.tokens.size > count
    ]
    return _drawn(prompts, config)


def questions(held_out: HeldOut, checkpoint: Path, config: EvaluateConfig) -> list[Prompt]:
    """What is asked of a chat model: what a documented name does; the document's own words are the truth."""
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    template = checkpoint / "chat_template.jinja"
    specials = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    chat = ChatTemplate(template.read_text(encoding="utf-8") if template.exists() else None, specials)
    prompts = []
    for document in held_out.documents:
        for signature in find_signatures(document.id, document.text)[:1]:
            text = f"What does {signature.name} do?"
            rendered = chat.render([Message("user", text)])
            tokens = tuple(tokenizer.encode(rendered, add_special_tokens=False).ids)
            truth = signature.following[:TRUTH_CHARACTERS]
            prompts.append(Prompt(document.id, document.url, text, tokens, truth))
    return _drawn(prompts, config)


def write_samples(
    name: str, model: Transformer, tokenizer: Tokenizer, prompts: Sequence[Prompt], config: EvaluateConfig
) -> Iterator[Sample]:
    """Let a model go on after each prompt, greedily and by sampling."""
    vocabulary = TokenBytes(tokenizer)
    room = max(1, model.config.max_positions - config.sample_tokens)
    greedily = Sampling(temperature=0.0)
    drawn = Sampling(temperature=config.sample_temperature, top_p=config.sample_top_p, seed=config.seed)
    requests = [
        Request(
            id=f"{number}-{style}",
            prompt=prompt.tokens[-room:],
            max_tokens=config.sample_tokens,
            sampling=sampling,
            end_ids=vocabulary.special_ids,
        )
        for number, prompt in enumerate(prompts)
        for style, sampling in enumerate((greedily, drawn))
    ]
    engine = Engine(EngineModel(name, model, vocabulary))
    texts = [completion.text for completion in engine.generate(requests)]
    for prompt, greedy, sampled in zip(prompts, texts[::2], texts[1::2], strict=True):
        yield Sample(name, prompt.document, prompt.url, prompt.text, prompt.truth, greedy, sampled)


def _drawn(prompts: Sequence[Prompt], config: EvaluateConfig) -> list[Prompt]:
    return sorted(prompts, key=lambda prompt: draw_key(config.seed, prompt.document))[: config.sample_prompts]
