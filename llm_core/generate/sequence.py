"""A request while it runs: its tokens, its text, and when it ends."""

from __future__ import annotations

from llm_core.generate.request import Completion, FinishReason, Request, ScoredToken, Sink, Update
from llm_core.generate.sampling import Sampler
from llm_core.generate.stop import StopScanner
from llm_core.generate.text_stream import TextStream, TokenBytes


class Sequence:
    """Tokens known so far, how many of them are in the cache, and the text already delivered.

    Prompt and generated tokens are treated alike: a step computes some of the tokens that are not in the cache
    yet, and when none is left the last one's logits choose the next.
    """

    def __init__(self, request: Request, sink: Sink, version: str, vocabulary: TokenBytes, capacity: int) -> None:
        self.request = request
        self.sampler = Sampler(request.sampling)
        self.tokens = list(request.prompt)
        self.computed = 0
        self.slot = -1
        self.is_finished = False
        self.prompt_scores: list[ScoredToken] = []
        self._max_length = min(len(request.prompt) + request.max_tokens, capacity)
        self._sink = sink
        self._version = version
        self._stream = TextStream(vocabulary)
        self._stop = StopScanner(request.stop)
        self._decoded = 0
        self._text: list[str] = []
        self._output: list[ScoredToken] = []
        self._delivered = 0
        self._prompt_delivered = False
        if request.scores_prompt:
            self.prompt_scores.append(ScoredToken(request.prompt[0], None))

    @property
    def remaining(self) -> int:
        """Tokens that are known and not yet computed."""
        return len(self.tokens) - self.computed

    @property
    def wants_token(self) -> bool:
        """Whether the next step ends with a choice (a request for 0 tokens only scores its prompt)."""
        return len(self.tokens) < self._max_length

    def append(self, token: int, logprob: float | None = None, top: tuple[tuple[int, float], ...] = ()) -> None:
        """Take the chosen token: grow the text, and finish if it ends there."""
        self.tokens.append(token)
        self._output.append(ScoredToken(token, logprob, top, offset=self._decoded))
        if token in self.request.end_ids:
            self._finish_text("stop")
            return
        piece = self._stream.push(token)
        self._decoded += len(piece)
        shown = self._stop.push(piece) if piece else ""
        if self._stop.found is not None:
            self._text.append(shown)
            self.finish("stop", shown)
        elif not self.wants_token:
            self._finish_text("length", shown)
        else:
            self._text.append(shown)
            if self.request.streams and shown:
                self._deliver(shown)

    def finish_prompt(self) -> None:
        """End a request that only wanted its prompt scored."""
        self._finish_text("length")

    def finish(self, reason: FinishReason, piece: str = "", error: str | None = None) -> None:
        """End the request and deliver its completion."""
        self.is_finished = True
        completion = Completion(
            version=self._version,
            text="".join(self._text),
            tokens=tuple(self._output),
            prompt=tuple(self.prompt_scores),
            finish_reason=reason,
            error=error,
        )
        self._deliver(piece if self.request.streams else completion.text, completion)

    def _finish_text(self, reason: FinishReason, shown: str = "") -> None:
        last = self._stop.push(self._stream.close())
        if self._stop.found is None:
            last += self._stop.close()
        self._text.append(shown + last)
        self.finish(reason, shown + last)

    def _deliver(self, text: str, completion: Completion | None = None) -> None:
        tokens = tuple(self._output[self._delivered :])
        prompt = () if self._prompt_delivered else tuple(self.prompt_scores)
        self._delivered, self._prompt_delivered = len(self._output), True
        self._sink(Update(text, tokens, prompt, completion))
