"""What every part of the spec is: a frozen pydantic model whose fields describe themselves."""

import ast
import inspect
import textwrap
from dataclasses import is_dataclass

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A part of the spec. Unknown keys are refused, in dataclasses of `llm_core` among its fields too.

    The docstring under a field is its description.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


def field_descriptions(settings: type) -> dict[str, str]:
    """What each field of a config class means: the docstring under it, on one line, those of its bases included."""
    described: dict[str, str] = {}
    for owner in reversed(settings.__mro__):
        if not (is_dataclass(owner) or (issubclass(owner, BaseModel) and owner not in (BaseModel, Config))):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(tree, ast.ClassDef)
        for field, note in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
                described[ast.unparse(field.target)] = " ".join(str(note.value.value).split())
    return described
