"""What can go wrong between a prompt and its completion."""

from llm_core.errors import LLMCoreError


class GenerationError(LLMCoreError):
    """A request or a tokenizer that text cannot be generated with; the message says which, and the mend."""
