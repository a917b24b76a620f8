"""From a conversation to the text that the model continues."""

from collections.abc import Collection, Sequence

from jinja2 import TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llm_core.errors import LLMCoreError
from llm_core.serve.bodies import Message

PLAIN_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PLAIN_TOKENS = ("<|user|>", "<|assistant|>", "<|end|>")


class ChatError(LLMCoreError):
    """A conversation that the template or the tokenizer cannot take; the message says why."""


class ChatTemplate:
    """A conversation's Jinja template, as Hugging Face tokenizers have them, in a sandbox.

    Without one, the plain template ``<|user|>…<|end|><|assistant|>`` serves, if the tokenizer has these tokens.

    Raises:
        ChatError: if the template does not parse, or asks for a special token by a name that only Hugging Face's
            tokenizers know: left undefined, it would silently write nothing.
    """

    def __init__(self, template: str | None, special_tokens: Collection[str]) -> None:
        if template is None and all(token in special_tokens for token in PLAIN_TOKENS):
            template = PLAIN_TEMPLATE
        self._special_tokens = tuple(special_tokens)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise
        try:
            names = meta.find_undeclared_variables(environment.parse(template or ""))
            self._template = None if template is None else environment.from_string(template)
        except TemplateError as error:
            raise ChatError(f"the chat template does not parse: {error}; mend chat_template.jinja") from error
        tokens = sorted(name for name in names if name.endswith("_token"))
        if tokens:
            raise ChatError(f"the chat template uses {tokens[0]}; write the token itself in chat_template.jinja")

    def render(self, messages: Sequence[Message]) -> str:
        """The text that ends where the assistant's next turn begins.

        Raises:
            ChatError: if there is no template, a message contains a special token (it could speak as someone else),
                or the template refuses the conversation.
        """
        if self._template is None:
            raise ChatError("this model has no chat template: ask /v1/completions, or serve it with one")
        if not messages:
            raise ChatError("messages is empty: give at least one")
        for place, message in enumerate(messages):
            for token in self._special_tokens:
                if token in message.content:
                    raise ChatError(f"messages[{place}].content contains the special token {token!r}; take it out")
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(messages=turns, add_generation_prompt=True)
        except TemplateError as error:
            raise ChatError(f"the chat template refuses these messages: {error}") from error


def _raise(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise TemplateError(message)
