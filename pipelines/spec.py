"""The spec: what to make. It composes the stages' own configs and is read from layers of settings."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, Field, ValidationError

from assets.clean.config import CleanConfig
from assets.config import Config
from assets.crawl.config import CrawlConfig
from assets.dedup.config import DedupConfig
from assets.evaluate.config import EvaluateConfig, GateConfig
from assets.extract.config import ExtractConfig
from assets.monitor.config import MonitorConfig
from assets.pretrain.config import PretrainConfig
from assets.quality.config import QualityConfig
from assets.tokens.config import TokenizerConfig, TokensConfig
from assets.variants.chat_config import ChatConfig
from assets.variants.config import FinetuneConfig, LoraConfig, QuantizeConfig
from pipelines.calendar import Calendar
from pipelines.layers import Settings, read_assignments, read_environment, read_profile
from resources.errors import SpecError


class Spec(Config):
    """What a profile makes, from crawl to registered model; every value that can change a byte is in it."""

    profile: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    """Name of the profile, of letters, digits and underscores; its model is registered as `tidemill-<profile>`."""
    calendar: Calendar = Calendar()
    """Which dates have a crawl snapshot."""
    crawl: CrawlConfig = CrawlConfig()
    """Where pages come from, and how politely."""
    extract: ExtractConfig = ExtractConfig()
    """Main text and language out of what was fetched."""
    dedup: DedupConfig = DedupConfig()
    """Which documents count as the same."""
    clean: CleanConfig = CleanConfig()
    """Repair of text, boilerplate lines, personal data."""
    quality: QualityConfig = QualityConfig()
    """Rules, classifier, decontamination, and which hosts are held out."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """The vocabulary, made at the first snapshot."""
    tokens: TokensConfig = TokensConfig()
    """Token shards."""
    pretrain: PretrainConfig = PretrainConfig()
    """The model and its training."""
    chat: ChatConfig = ChatConfig()
    """Question and answer pairs made from documents."""
    finetune: FinetuneConfig = FinetuneConfig()
    """Fine-tuning on the pairs, of all weights."""
    lora: LoraConfig = LoraConfig()
    """The same by adapters."""
    quantize: QuantizeConfig = QuantizeConfig()
    """Integer weights."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """What is measured on held-out documents."""
    gate: GateConfig = GateConfig()
    """When a challenger becomes champion."""
    monitor: MonitorConfig = MonitorConfig()
    """What of the traffic is logged, and when it counts as drifted."""

    @property
    def model_name(self) -> str:
        return f"tidemill-{self.profile}"


@dataclass(frozen=True)
class Loaded:
    """A valid spec, and where each of its values was set."""

    spec: Spec
    settings: Settings


def load(
    profile: str,
    assignments: Sequence[str] = (),
    *,
    file: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read a profile, then a file, the environment and `--set`, each over the one before.

    Raises:
        SpecError: for an unknown key, a wrong type or an impossible combination, with the field,
            where it was set, and the nearest right name.
    """
    settings = read_profile(profile)
    if file is not None:
        settings = read_profile(file).over(settings)
    for layer in (read_environment(environment), read_assignments(assignments)):
        settings = layer.over(settings)
    named = Settings({"profile": _name(profile)}).over(Settings()) if "profile" not in settings.values else Settings()
    settings = settings.over(named)
    try:
        return Loaded(Spec.model_validate(settings.values), settings)
    except ValidationError as error:
        raise SpecError("\n".join(_explain(dict(problem), settings) for problem in error.errors())) from error


def _name(profile: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", Path(profile).stem)


def _explain(problem: Mapping[str, Any], settings: Settings) -> str:
    path = _written_path(problem["loc"], settings.values)
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if "key" in problem.get("ctx", {}):
        path = (*path, str(problem["ctx"]["key"]))
    named = re.match(r"\w+\.(\w+) is", message)
    if named and isinstance(problem.get("input"), Mapping) and named[1] in problem["input"]:
        path = (*path, named[1])
    if problem["type"] == "union_tag_invalid":
        return _explain_kind(problem["ctx"], (*path, "kind"), settings)
    where = f"{settings.origin(path)}: {'.'.join(path) or 'the spec'}"
    if problem["type"] != "extra_forbidden":
        return f"{where}: {message}"
    kind = _at(settings.values, path[:-1]).get("kind")
    names = sorted(set(_names_beside(Spec, path[:-1], kind)) or {name for name, _ in every_field(Spec)})
    near = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.0)
    return f"{where}: there is no such field; did you mean {near[0]!r}?" if near else f"{where}: there is no such field"


def _explain_kind(context: Mapping[str, str], path: tuple[str, ...], settings: Settings) -> str:
    known = re.findall(r"'(\w+)'", context["expected_tags"])
    near = difflib.get_close_matches(context["tag"], known, n=1, cutoff=0.0)[0]
    where = f"{settings.origin(path)}: {'.'.join(path)}"
    return f"{where}: there is no kind {context['tag']!r}, only {', '.join(known)}; did you mean {near!r}?"


def _at(values: Any, path: Sequence[str]) -> Mapping[str, Any]:
    """The map of settings at a path, empty where there is none."""
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values if isinstance(values, Mapping) else {}


def _written_path(location: Sequence[str | int], values: Any) -> tuple[str, ...]:
    """The part of an error's location that is in the settings: pydantic adds tags of unions between."""
    path: list[str] = []
    for position, part in enumerate(location):
        is_key = isinstance(values, Mapping) and part in values
        is_item = isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        if is_key or is_item:
            values = values[part]
        elif position < len(location) - 1 or path[-1:] == [str(part)]:
            continue
        path.append(str(part))
    return tuple(path)


def _names_beside(owner: type, path: Sequence[str], kind: str | None) -> Iterator[str]:
    """Field names of the config at a path; of a union's members, of those of this kind."""
    if not path:
        own = owner.model_fields["kind"].default if issubclass(owner, Config) and "kind" in owner.model_fields else None
        if kind is None or own == kind:
            yield from (name for name, _ in _fields(owner))
        return
    for name, annotation in _fields(owner):
        if name == path[0]:
            for settings in _settings_in(annotation):
                yield from _names_beside(settings, path[1:], kind)
        elif path[0].isdigit():
            yield from _names_beside(owner, path[1:], kind)


def every_field(owner: type) -> Iterator[tuple[str, type]]:
    """All fields of a config and of the configs in it, each with the class that has it."""
    for name, annotation in _fields(owner):
        yield name, owner
        for settings in _settings_in(annotation):
            yield from every_field(settings)


def _fields(owner: type) -> list[tuple[str, Any]]:
    if issubclass(owner, BaseModel):
        return [(name, info.annotation) for name, info in owner.model_fields.items()]
    hints = get_type_hints(owner)
    return [(name, hints[name]) for name in hints]


def _settings_in(annotation: Any) -> Iterator[type]:
    """The config classes in an annotation: itself, or the members of a union, list, map or tuple."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        yield annotation
    for inner in get_args(annotation):
        yield from _settings_in(inner)
