"""Continuous batching: requests join and leave a batch that never stops running."""

import logging
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import torch
from torch import Tensor

from llm_core.generate.errors import GenerationError
from llm_core.generate.lane import EngineConfig, EngineModel, Lane, pad_rows
from llm_core.generate.request import Completion, Request, ScoredToken, Sink, Update
from llm_core.generate.sampling import choose_tokens
from llm_core.generate.sequence import Sequence

logger = logging.getLogger(__name__)

Score = tuple[float | None, tuple[tuple[int, float], ...]]
"""A token's log-probability, and the likeliest ids at its place with theirs."""


@dataclass
class EngineStats:
    """Counts since the engine began; only the engine writes them."""

    forward_passes: int = 0
    steps: int = 0  # rounds over the running batch
    prompt_tokens: int = 0  # computed
    generated_tokens: int = 0  # chosen
    running: int = 0  # requests in the batch now
    waiting: int = 0  # requests that wait for a slot now


class Engine:
    """Generates for many requests at once, one step at a time.

    A step computes the next tokens of every running request: a chunk of the prompt for those that are still
    reading, one token for those that write, together in one forward pass unless padding would cost more than a
    second one (Orca, Yu et al., 2022; chunked prefill as in Sarathi, Agrawal et al., 2023). Not thread-safe:
    ``EngineThread`` puts it on a thread of its own.

    >>> engine = Engine(EngineModel("1", transformer, TokenBytes(tokenizer)))
    >>> engine.generate([Request("a", prompt=(5, 6, 7), max_tokens=10)])[0].text
    """

    def __init__(self, model: EngineModel | None = None, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self.stats = EngineStats()
        self.model = model
        self._lanes: dict[EngineModel, Lane] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a request runs or waits."""
        return any(lane.is_busy for lane in self._lanes.values())

    def swap(self, model: EngineModel) -> None:
        """Send requests submitted from now on to ``model``; those that run or wait finish on the version they have."""
        self.model = model
        self._retire()

    def submit(self, request: Request, sink: Sink, model: EngineModel | None = None) -> None:
        """Queue a request; ``sink`` gets its updates. ``model`` is the version that its tokens were made for.

        Raises:
            GenerationError: if there is no model, or prompt and completion exceed the context.
        """
        model = model or self.model
        if model is None:
            raise GenerationError("no model is loaded: swap one in first")
        count, capacity = len(request.prompt), model.context_tokens
        if count > capacity:
            what = f"the prompt has {count} tokens and the context holds {capacity}; shorten the prompt"
            raise GenerationError(f"request {request.id}: {what}")
        size = model.transformer.config.vocab_size
        if not all(0 <= token < size for token in request.prompt):
            raise GenerationError(f"request {request.id}: a prompt token is not from 0 to {size - 1}")
        if model not in self._lanes:
            self._lanes[model] = Lane(model, self.config)
        self._lanes[model].waiting.append(Sequence(request, sink, model.version, model.vocabulary, capacity))
        self._count()

    def cancel(self, request_id: str) -> None:
        """End a request early, with what it has; nothing happens if it has ended already."""
        for lane in self._lanes.values():
            for sequence in [*lane.running, *lane.waiting]:
                if sequence.request.id == request_id:
                    sequence.finish("cancelled")
            lane.release()
        self._retire()

    @torch.inference_mode()
    def step(self) -> None:
        """Move every running request on by a chunk of its prompt or by one token."""
        self.stats.steps += 1
        for lane in list(self._lanes.values()):
            lane.admit()
            for group in lane.plan():
                try:
                    self._forward(lane, group)
                except Exception as error:  # whatever the model raises, it ends these requests and not the engine
                    logger.exception("a forward pass of model version %s failed", lane.model.version)
                    for sequence, _ in group:
                        if not sequence.is_finished:
                            sequence.finish("error", error=f"{type(error).__name__}: {error}")
            lane.release()
        self._retire()

    def generate(self, requests: SequenceOf[Request]) -> list[Completion]:
        """Run requests together until all have ended; their completions in the order given."""
        inboxes: list[list[Update]] = [[] for _ in requests]
        for request, inbox in zip(requests, inboxes, strict=True):
            self.submit(request, inbox.append)
        while self.is_busy:
            self.step()
        return [update.completion for inbox in inboxes for update in inbox if update.completion]

    def _forward(self, lane: Lane, group: list[tuple[Sequence, int]]) -> None:
        """One forward pass: compute each sequence's next tokens, score what was asked, choose where all is computed."""
        rows = [sequence.tokens[sequence.computed : sequence.computed + count] for sequence, count in group]
        tokens, lengths = pad_rows(rows, lane.device)
        slots = torch.tensor([sequence.slot for sequence, _ in group], device=lane.device)
        states = lane.model.transformer.states(tokens, cache=lane.cache, slots=slots, lengths=lengths)
        self.stats.forward_passes += 1

        ready: list[tuple[Sequence, Tensor]] = []
        for row, (sequence, count) in enumerate(group):
            if sequence.computed < len(sequence.request.prompt):
                self.stats.prompt_tokens += count
            if sequence.request.scores_prompt:
                self._score_prompt(lane, sequence, states[row, :count])
            sequence.computed += count
            if sequence.remaining == 0 and sequence.wants_token:
                ready.append((sequence, states[row, count - 1]))
            elif sequence.remaining == 0:
                sequence.finish_text("length")
        if ready:
            self._choose(lane, [sequence for sequence, _ in ready], torch.stack([state for _, state in ready]))

    def _score_prompt(self, lane: Lane, sequence: Sequence, states: Tensor) -> None:
        """Score the prompt tokens that follow those just computed; states (count, hidden) predict them."""
        prompt = sequence.request.prompt
        targets = prompt[sequence.computed + 1 : sequence.computed + 1 + len(states)]
        if targets:
            logits = lane.model.transformer.head(states[: len(targets)])
            for token, (logprob, top) in zip(targets, score(logits, targets, sequence.request.top_scores), strict=True):
                sequence.prompt_scores.append(ScoredToken(token, logprob, top))

    def _choose(self, lane: Lane, sequences: list[Sequence], states: Tensor) -> None:
        """Choose each sequence's next token from its last state; states (sequences, hidden)."""
        logits = lane.model.transformer.head(states)
        chosen = choose_tokens(logits, [sequence.sampler for sequence in sequences])
        self.stats.generated_tokens += len(chosen)
        scored = [row for row, sequence in enumerate(sequences) if sequence.request.scores_output]
        scores: dict[int, Score] = {}
        if scored:
            most = max(sequences[row].request.top_scores for row in scored)
            values = score(logits[scored], [chosen[row] for row in scored], most)
            scores = dict(zip(scored, values, strict=True))
        for row, (sequence, token) in enumerate(zip(sequences, chosen, strict=True)):
            logprob, top = scores.get(row, (None, ()))
            sequence.append(token, logprob, top[: sequence.request.top_scores])

    def _retire(self) -> None:
        """Drop lanes that are empty and not the current model's: their cache and weights go back."""
        self._lanes = {model: lane for model, lane in self._lanes.items() if lane.is_busy or model is self.model}
        self._count()

    def _count(self) -> None:
        self.stats.running = sum(len(lane.running) for lane in self._lanes.values())
        self.stats.waiting = sum(len(lane.waiting) for lane in self._lanes.values())


def score(logits: Tensor, tokens: SequenceOf[int], top: int) -> list[Score]:
    """Log-probabilities of ``tokens`` under ``logits`` (tokens, vocabulary), in fp32; and the ``top`` best."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    own = logprobs.gather(-1, torch.tensor(list(tokens), device=logits.device)[:, None])[:, 0].tolist()
    values, ids = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1)
    alternatives = [tuple(zip(i, v, strict=True)) for i, v in zip(ids.tolist(), values.tolist(), strict=True)]
    return list(zip(own, alternatives, strict=True))
