"""From a conversation to the text that the model continues."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llm_core.errors import LLMCoreError

CLOSED: dict[str, Any] = {"extra": "forbid"}
"""How FastAPI reads the dataclasses of a body: a field that is not declared is refused, not passed over."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation, in plain text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = CLOSED
    role: Literal["system", "user", "assistant"]
    content: str


class ChatError(LLMCoreError):
    """A conversation that the template or the tokenizer cannot take; the message says why."""


class ChatTemplate:
    """A conversation's Jinja template, as Hugging Face tokenizers have them, in a sandbox.

    Raises:
        ChatError: if the template does not parse.
    """

    def __init__(self, template: str, special_tokens: Collection[str]) -> None:
        self._special_tokens = special_tokens
        # Strict: a name that only Hugging Face's tokenizers know (bos_token) would silently write nothing.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
        environment.globals["raise_exception"] = _raise
        try:
            self._template: Template = environment.from_string(template)
        except TemplateError as error:
            raise ChatError(f"the chat template does not parse: {error}; mend chat_template.jinja") from error

    def render(self, messages: Sequence[Message], *, answers_next: bool = True) -> str:
        """The conversation as text; it ends where the assistant's next turn begins, if the assistant answers next.

        Raises:
            ChatError: if there is no message, one contains a special token (it could speak as someone else), or the
                template refuses the conversation.
        """
        if not messages:
            raise ChatError("messages is empty: give at least one")
        for place, message in enumerate(messages):
            for token in self._special_tokens:
                if token in message.content:
                    raise ChatError(f"messages[{place}].content contains the special token {token!r}; take it out")
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(messages=turns, add_generation_prompt=answers_next)
        except TemplateError as error:
            raise ChatError(f"the chat template refuses these messages: {error}") from error


def _raise(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise TemplateError(message)
