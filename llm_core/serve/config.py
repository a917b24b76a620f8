"""How much the server takes on, and what it refuses."""

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
    device: str = "cpu"
    """Torch device that computes, such as cpu or cuda."""
    threads: int = 0
    """Threads of the computation (0 = torch's own choice)."""
    max_tokens: int = 1024
    """Most tokens that a request may ask for."""
    max_prompts: int = 64
    """Most prompts in one request."""
    max_body_bytes: int = 1_048_576
    """Largest request body, in bytes."""
    poll_interval_s: float = 2.0
    """How often the source is asked for its current model version, in seconds."""
    drain_timeout_s: float = 60.0
    """How long running requests may take to finish once the server was told to stop, in seconds."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            may_be_zero = name in ("max_queue", "threads")
            if name != "device" and (value < 0 or (value == 0 and not may_be_zero)):
                raise ConfigError(f"ServeConfig.{name} is {value}; give a number above 0{' or 0' * may_be_zero}")
        room = self.slots + self.max_queue
        if self.max_prompts > room:
            what = f"ServeConfig.max_prompts is {self.max_prompts}, more than slots and max_queue hold ({room})"
            raise ConfigError(f"{what}: such a request could never be admitted")
