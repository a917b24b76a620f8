"""Continuous batching: requests join and leave a batch that never stops running."""

import heapq
import logging
from collections import deque
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from llm_core.generate.batch_plan import share_budget, split_rows
from llm_core.generate.request import Completion, GenerationError, Request, ScoredToken, Sink, Update
from llm_core.generate.sampling import choose_tokens
from llm_core.generate.sequence import Sequence
from llm_core.generate.text_stream import TokenBytes
from llm_core.model.cache import Cache
from llm_core.model.transformer import Transformer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineConfig:
    """How much runs at once."""

    slots: int = 16
    """Most requests in the running batch."""
    step_tokens: int = 512
    """Most tokens computed in one step: a long prompt is cut into chunks of this, less what the others take."""
    pass_cost_tokens: int = 32
    """What one more forward pass costs, counted in tokens of padding: decides which rows share a pass."""


@dataclass
class EngineStats:
    """Counts of one engine, or of several that follow each other; only engines write them."""

    forward_passes: int = 0
    prompt_tokens: int = 0  # computed
    generated_tokens: int = 0  # chosen


class Engine:
    """Generates with one model for many requests at once, one step at a time.

    A step computes the next tokens of every running request: a chunk of the prompt for those that are still
    reading, one token for those that write, together in one forward pass unless padding would cost more than a
    second one (Orca, Yu et al., 2022; chunked prefill as in Sarathi, Agrawal et al., 2023). Not thread-safe:
    ``EngineThread`` steps engines on a thread of its own.

    >>> Engine(transformer, TokenBytes(tokenizer)).generate([Request("a", prompt=(5, 6, 7), max_tokens=10)])[0].text
    """

    def __init__(
        self,
        transformer: Transformer,
        vocabulary: TokenBytes,
        config: EngineConfig | None = None,
        stats: EngineStats | None = None,
    ) -> None:
        """``transformer`` is in evaluation mode; ``stats`` is counted on, if given."""
        self.transformer, self.vocabulary = transformer, vocabulary
        self.stats = stats or EngineStats()
        self.context_tokens = transformer.config.max_positions  # most tokens of prompt and completion together
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._config = config or EngineConfig()
        self._free = list(range(self._config.slots))
        weight = transformer.norm.weight  # floating, in an int8 model too
        self._device = weight.device
        self._cache = Cache(
            transformer.config, self._config.slots, self.context_tokens, dtype=weight.dtype, device=weight.device
        )

    @property
    def is_busy(self) -> bool:
        """Whether a request runs or waits."""
        return bool(self.running or self.waiting)

    def submit(self, request: Request, sink: Sink) -> None:
        """Queue a request; ``sink`` gets its updates.

        Raises:
            GenerationError: if the prompt exceeds the context, or a token is not in the vocabulary.
        """
        count = len(request.prompt)
        if count > self.context_tokens:
            what = f"the prompt has {count} tokens and the context holds {self.context_tokens}; shorten the prompt"
            raise GenerationError(f"request {request.id}: {what}")
        size = self.transformer.config.vocab_size
        if not all(0 <= token < size for token in request.prompt):
            raise GenerationError(f"request {request.id}: a prompt token is not from 0 to {size - 1}")
        self.waiting.append(Sequence(request, sink, self.vocabulary, self.context_tokens))

    def cancel(self, request_id: str) -> None:
        """End a request early, with what it has; nothing happens if it has ended already."""
        for sequence in [*self.running, *self.waiting]:
            if sequence.request.id == request_id:
                sequence.finish("cancelled")
        self._release()

    @torch.inference_mode()
    def step(self) -> None:
        """Move every running request on by a chunk of its prompt or by one token."""
        self._admit()
        shares = share_budget([sequence.remaining for sequence in self.running], self._config.step_tokens)
        for rows in split_rows(shares, self._config.pass_cost_tokens):
            group = sorted(((self.running[row], shares[row]) for row in rows), key=lambda pair: pair[0].slot)
            try:
                self._forward(group)
            except Exception as error:  # whatever the model raises, it ends these requests and not the engine
                logger.exception("a forward pass failed")
                for sequence, _ in group:
                    if not sequence.is_finished:
                        sequence.finish("error", error=f"{type(error).__name__}: {error}")
        self._release()

    def generate(self, requests: SequenceOf[Request]) -> list[Completion]:
        """Run requests together until all have ended; their completions in the order given."""
        inboxes: list[list[Update]] = [[] for _ in requests]
        for request, inbox in zip(requests, inboxes, strict=True):
            self.submit(request, inbox.append)
        while self.is_busy:
            self.step()
        return [update.completion for inbox in inboxes for update in inbox if update.completion]

    def _forward(self, group: list[tuple[Sequence, int]]) -> None:
        """One forward pass: compute each sequence's next tokens, score what was asked, choose where all is computed."""
        rows = [sequence.tokens[sequence.computed : sequence.computed + count] for sequence, count in group]
        tokens = pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(self._device)
        lengths = torch.tensor([count for _, count in group], device=self._device)
        slots = torch.tensor([sequence.slot for sequence, _ in group], device=self._device)
        states = self.transformer.states(tokens, cache=self._cache, slots=slots, lengths=lengths)
        self.stats.forward_passes += 1

        ready: list[tuple[Sequence, Tensor]] = []
        for row, (sequence, count) in enumerate(group):
            if sequence.computed < len(sequence.request.prompt):
                self.stats.prompt_tokens += count
            if sequence.request.scores_prompt:
                self._score_prompt(sequence, states[row, :count])
            sequence.computed += count
            if sequence.remaining == 0 and sequence.wants_token:
                ready.append((sequence, states[row, count - 1]))
            elif sequence.remaining == 0:
                sequence.finish_text("length")
        if ready:
            self._choose([sequence for sequence, _ in ready], torch.stack([state for _, state in ready]))

    def _score_prompt(self, sequence: Sequence, states: Tensor) -> None:
        """Score the prompt tokens that follow those just computed; states (count, hidden) predict them."""
        request, start = sequence.request, sequence.computed + 1
        targets = request.prompt[start : start + len(states)]
        if targets:
            logits = self.transformer.head(states[: len(targets)])
            sequence.prompt_scores += score(logits, targets, [request.logprobs or 0] * len(targets))

    def _choose(self, sequences: list[Sequence], states: Tensor) -> None:
        """Choose each sequence's next token from its last state; states (sequences, hidden)."""
        logits = self.transformer.head(states)
        chosen = choose_tokens(logits, [sequence.sampler for sequence in sequences])
        self.stats.generated_tokens += len(chosen)
        tops = [sequence.request.logprobs for sequence in sequences]
        if any(top is not None for top in tops):
            tokens = score(logits, chosen, [top or 0 for top in tops])
        else:
            tokens = [ScoredToken(token, None) for token in chosen]
        for sequence, token in zip(sequences, tokens, strict=True):
            sequence.append(token)

    def _admit(self) -> None:
        """Give free slots to those that wait, first come first served; the lowest slot first, to keep rows adjacent."""
        while self.waiting and self._free:
            sequence = self.waiting.popleft()
            sequence.slot = heapq.heappop(self._free)
            self._cache.clear(sequence.slot)
            self.running.append(sequence)

    def _release(self) -> None:
        """Take finished sequences out, and free their slots."""
        for sequence in self.running:
            if sequence.is_finished:
                heapq.heappush(self._free, sequence.slot)
        self.running = [sequence for sequence in self.running if not sequence.is_finished]
        self.waiting = deque(sequence for sequence in self.waiting if not sequence.is_finished)


def score(logits: Tensor, tokens: SequenceOf[int], tops: SequenceOf[int]) -> list[ScoredToken]:
    """Log-probabilities of ``tokens`` under ``logits`` (tokens, vocabulary), in fp32; and of each the ``tops`` best."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    own = logprobs.gather(-1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0].tolist()
    values, ids = (best.tolist() for best in logprobs.topk(min(max(tops), logprobs.shape[-1]), dim=-1))
    return [
        ScoredToken(token, own[row], tuple(zip(ids[row], values[row], strict=True))[: tops[row]])
        for row, token in enumerate(tokens)
    ]
