"""A request while it runs: its tokens, its text, and when it ends."""

from dataclasses import replace

from llm_core.generate.request import Completion, FinishReason, Request, ScoredToken, Sink, Update
from llm_core.generate.sampling import Sampler
from llm_core.generate.text_stream import StopScanner, TextStream, TokenBytes


class Sequence:
    """Tokens known so far, how many of them are in the cache, and the text already delivered.

    Prompt and generated tokens are treated alike: a step computes some of the tokens that are not in the cache
    yet, and when none is left the last one's logits choose the next.
    """

    def __init__(self, request: Request, sink: Sink, vocabulary: TokenBytes, capacity: int) -> None:
        self.request = request
        self.sampler = Sampler(request.sampling)
        self.tokens = list(request.prompt)
        self.computed = 0
        self.slot = -1
        self.is_finished = False
        self.prompt_scores = [ScoredToken(request.prompt[0], None)] if request.scores_prompt else []
        self._max_length = min(len(request.prompt) + request.max_tokens, capacity)
        self._sink = sink
        self._stream = TextStream(vocabulary)
        self._stop = StopScanner(request.stop)
        self._decoded = 0  # characters, those of a stop string included
        self._text = ""
        self._output: list[ScoredToken] = []
        self._delivered_text = self._delivered_tokens = 0

    @property
    def remaining(self) -> int:
        """Tokens that are known and not yet computed."""
        return len(self.tokens) - self.computed

    @property
    def wants_token(self) -> bool:
        """Whether the next step ends with a choice (a request for 0 tokens only scores its prompt)."""
        return len(self.tokens) < self._max_length

    def append(self, token: ScoredToken) -> None:
        """Take the chosen token: grow the text, and finish if it ends there."""
        self.tokens.append(token.id)
        self._output.append(replace(token, offset=self._decoded))
        if token.id in self.request.end_ids:
            self.finish_text("stop")
            return
        piece = self._stream.push(token.id)
        self._decoded += len(piece)
        self._text += self._stop.push(piece)
        if self._stop.found is not None:
            self.finish("stop")
        elif not self.wants_token:
            self.finish_text("length")
        elif self.request.streams and len(self._text) > self._delivered_text:
            self._deliver(None)

    def finish_text(self, reason: FinishReason) -> None:
        """End the request where its text ends: what was held back belongs to it."""
        self._text += self._stop.push(self._stream.close()) + self._stop.close()
        self.finish(reason)

    def finish(self, reason: FinishReason, error: str | None = None) -> None:
        """End the request and deliver its completion."""
        self.is_finished = True
        tokens, prompt = tuple(self._output), tuple(self.prompt_scores)
        self._deliver(Completion(self._text, tokens, prompt, reason, error))

    def _deliver(self, completion: Completion | None) -> None:
        tokens = tuple(self._output[self._delivered_tokens :])
        prompt = () if self._delivered_tokens else tuple(self.prompt_scores)  # every update but the last has tokens
        text = self._text[self._delivered_text :]
        self._delivered_text, self._delivered_tokens = len(self._text), len(self._output)
        self._sink(Update(text, tokens, prompt, completion))
