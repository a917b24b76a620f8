"""The registry of rule filters: a function with a name, whose keyword parameters the spec may set."""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from assets.documents import Document
from assets.quality import rules
from resources.errors import BuildError, SpecError

Verdict = str | tuple[str, float] | None
"""None keeps the document; a reason, with the score that decided where there is one, drops it."""


@dataclass(frozen=True)
class Filter:
    """A registered rule: its name in the spec, and the parameters that it takes."""

    name: str
    judge: Callable[..., Verdict]
    parameters: type[BaseModel]

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, those that the spec gives over the defaults.

        Raises:
            SpecError: on an unknown parameter or a value of the wrong type.
        """
        known = list(self.parameters.model_fields)
        if unknown := [name for name in given if name not in known]:
            nearest = _nearest(unknown[0], known)
            raise SpecError(f"the quality filter {self.name!r} has no parameter {unknown[0]!r}{nearest}")
        try:
            return self.parameters.model_validate(dict(given)).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise SpecError(
                f"the quality filter {self.name!r} cannot take {where} = {first['input']!r}: {first['msg']}"
            ) from error


Rules = Sequence[tuple[Filter, Mapping[str, Any]]]

_FILTERS: dict[str, Filter] = {}


def quality_filter(name: str) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Register a rule under the name that the spec uses; its keyword parameters, with types and defaults, come along.

    ```python
    @quality_filter("shouting")
    def shouting(document: Document, *, max_capitals: float = 0.5) -> Verdict: ...
    ```

    Raises:
        SpecError: if another function has that name, or a parameter has no type or no default.
    """

    def register(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
        taken = _FILTERS.get(name)
        if taken is not None and taken.judge.__module__ != judge.__module__:
            raise SpecError(f"{judge.__module__}: the quality filter {name!r} exists in {taken.judge.__module__}")
        hints = get_type_hints(judge, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(judge).parameters.values())[1:]:
            if parameter.name not in hints or parameter.default is inspect.Parameter.empty:
                raise SpecError(
                    f"{judge.__module__}.{judge.__name__}: give {parameter.name!r} a type and a default, "
                    "so that the spec can leave it out"
                )
            fields[parameter.name] = (hints[parameter.name], parameter.default)
        _FILTERS[name] = Filter(name, judge, create_model(name, __config__=ConfigDict(extra="forbid"), **fields))
        return judge

    return register


def known_filters() -> dict[str, Filter]:
    """Every registered filter by name; each module in the folder `rules` is loaded first."""
    for module in pkgutil.iter_modules(rules.__path__):
        importlib.import_module(f"{rules.__name__}.{module.name}")
    return dict(sorted(_FILTERS.items()))


def find_filter(name: str) -> Filter:
    """The filter of this name.

    Raises:
        SpecError: if there is none; the nearest right name is in the message.
    """
    found = known_filters()
    if name not in found:
        raise SpecError(f"there is no quality filter {name!r}{_nearest(name, list(found))}")
    return found[name]


def broken_rule(document: Document, applied: Rules) -> tuple[str, float | None] | None:
    """The first rule that rejects a document, as "filter:reason" and its score; None where all pass.

    Raises:
        BuildError: if a filter fails; it names the filter and the document.
    """
    for rule, settings in applied:
        try:
            verdict = rule.judge(document, **settings)
        except Exception as error:
            raise BuildError(
                f"the quality filter {rule.name!r} failed on document {document.id} ({document.url}): {error!r}; "
                "mend it, or leave it out of the spec"
            ) from error
        if verdict is not None:
            reason, score = (verdict, None) if isinstance(verdict, str) else verdict
            return f"{rule.name}:{reason}", score
    return None


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known)) or 'none'}"
