"""How much the server takes on, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from llm_core.errors import ConfigError


@dataclass(frozen=True)
class ServeConfig:
    """Limits and intervals of one server.

    Raises:
        ConfigError: if a value is out of range.
    """

    slots: int = 16
    """Most completions written at once, per model version."""
    max_queue: int = 64
    """Most completions that wait for a slot; beyond it a request is answered 429."""
    context_tokens: int = 0
    """Most tokens of prompt and completion together (0 = the model's max_positions)."""
    step_tokens: int = 512
    """Most tokens computed in one step: longer prompts are read in chunks, beside those that write."""
    device: str = "cpu"
    """Torch device that computes, such as cpu or cuda."""
    threads: int = 0
    """Threads of the computation (0 = torch's own choice)."""
    max_tokens: int = 1024
    """Most tokens that a request may ask for."""
    default_max_tokens: int = 16
    """Tokens of a text completion that does not say how many (OpenAI's default)."""
    default_chat_max_tokens: int = 256
    """Tokens of a chat completion that does not say how many."""
    max_prompts: int = 64
    """Most prompts in one request."""
    max_stops: int = 4
    """Most stop strings of one request (OpenAI's limit)."""
    max_stop_characters: int = 200
    """Longest stop string, in characters: as much text may be held back while streaming."""
    max_logprobs: int = 20
    """Most alternatives that each token's log-probabilities may list."""
    max_body_bytes: int = 1_048_576
    """Largest request body, in bytes."""
    retry_after_s: int = 1
    """What a 429 or 503 tells the client to wait, in seconds."""
    poll_interval_s: float = 5.0
    """How often the source is asked for its current model version, in seconds."""
    retry_load_s: float = 60.0
    """How long a version that failed to load is left alone before it is tried again, in seconds."""
    drain_timeout_s: float = 60.0
    """How long running requests may take to finish once the server was told to stop, in seconds."""

    def __post_init__(self) -> None:
        for name in ("slots", "step_tokens", "max_tokens", "max_prompts", "max_body_bytes", "retry_after_s"):
            if getattr(self, name) < 1:
                raise ConfigError(f"ServeConfig.{name} is {getattr(self, name)}; it must be at least 1")
        for name in (
            "max_queue",
            "context_tokens",
            "threads",
            "default_max_tokens",
            "default_chat_max_tokens",
            "max_stops",
            "max_stop_characters",
            "max_logprobs",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"ServeConfig.{name} is {getattr(self, name)}; it cannot be negative")
        for name in ("poll_interval_s", "drain_timeout_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"ServeConfig.{name} is {getattr(self, name)}; it must be positive")
        if self.max_prompts > self.slots + self.max_queue:
            raise ConfigError(
                f"ServeConfig.max_prompts is {self.max_prompts}, more than slots and max_queue hold "
                f"({self.slots + self.max_queue}): such a request could never be admitted"
            )
