"""The spec: what to make. It composes the stages' own configs and is read from layers of settings."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from pydantic import BaseModel, Field, ValidationError, model_validator

from assets.clean.config import CleanConfig
from assets.config import Config
from assets.crawl.config import CrawlConfig
from assets.crawl.sources import LoopbackSource
from assets.dedup.config import DedupConfig
from assets.evaluate.config import EvaluateConfig, GateConfig
from assets.extract.config import ExtractConfig
from assets.monitor.config import MonitorConfig
from assets.pretrain.config import PretrainConfig
from assets.quality.config import QualityConfig
from assets.tokens.config import TokenizerConfig
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        positions, source = self.pretrain.model.max_positions, self.crawl.source
        for name, length in (("finetune", self.finetune.train.length), ("lora", self.lora.train.length)):
            if length > positions:
                raise ValueError(f"{name}.train.length: {length} is more than pretrain.model.max_positions {positions}")
        if isinstance(source, LoopbackSource) and (missing := set(self.calendar.snapshots) - {*source.editions}):
            raise ValueError(f"crawl.source.editions: the snapshot {min(missing)} has none; name an edition for it")
        return self

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
    settings = settings.over(Settings({"profile": re.sub(r"[^A-Za-z0-9_]+", "_", Path(profile).stem)}))
    try:
        return Loaded(Spec.model_validate(settings.values), settings)
    except ValidationError as error:
        raise SpecError("\n".join(_explain(dict(problem), settings) for problem in error.errors())) from error


def _explain(problem: Mapping[str, Any], settings: Settings) -> str:
    path = _written_path(problem["loc"], settings.values)
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not path and (whole := re.fullmatch(r"([\w.]+): (.*)", message)):
        path, message = tuple(whole[1].split(".")), whole[2]
    named = re.match(r"\w+\.(\w+) is", message)
    if named and isinstance(problem.get("input"), Mapping) and named[1] in problem["input"]:
        path = (*path, named[1])
    if problem["type"] == "union_tag_invalid":
        path, tag = (*path, "kind"), problem["ctx"]["tag"]
        kinds = re.findall(r"'(\w+)'", problem["ctx"]["expected_tags"])
        message = f"there is no kind {tag!r}, only {', '.join(kinds)}; did you mean {_nearest(tag, kinds)!r}?"
    elif problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        names = _names_beside(path, settings.values) or {name for name, _ in every_field(Spec)}
        message = f"there is no such field; did you mean {_nearest(path[-1], sorted(names))!r}?"
    return f"{settings.origin(path)}: {'.'.join(path) or 'the spec'}: {message}"


def _nearest(word: str, words: Sequence[str]) -> str:
    return difflib.get_close_matches(word, words, n=1, cutoff=0.0)[0]


def _written_path(location: Sequence[str | int], values: Any) -> tuple[str, ...]:
    """The part of an error's location that is in the settings: pydantic adds the kind of a union's member."""
    path: list[str] = []
    for part in location:
        if isinstance(values, Mapping) and part not in values and part == values.get("kind"):
            continue
        path.append(str(part))
        values = _item(values, path[-1])
    return tuple(path)


def _item(values: Any, part: str) -> Any:
    """What of the settings is at a key of a map, or a place in a list; None where nothing is."""
    if isinstance(values, list | tuple) and part.isdigit():
        return values[int(part)]
    return values.get(part) if isinstance(values, Mapping) else None


def _names_beside(path: Sequence[str], values: Any) -> set[str]:
    """Fields of the configs at the end of a path; of a union's members, those of the kind that is set."""
    owners: list[type] = [Spec]
    for part in path[:-1]:
        values = _item(values, part)
        annotations = [annotation for owner in owners for name, annotation in _fields(owner) if name == part]
        # The items of a list or a map are what its field's annotation names: another part, the same configs.
        owners = [inner for annotation in annotations for inner in _settings_in(annotation)] or owners
    kind = values.get("kind") if isinstance(values, Mapping) else None
    return {name for owner in owners if kind is None or kind in _kinds_of(owner) for name, _ in _fields(owner)}


def _kinds_of(owner: type) -> tuple[Any, ...]:
    return next((get_args(annotation) for name, annotation in _fields(owner) if name == "kind"), ())


def every_field(owner: type) -> Iterator[tuple[str, type]]:
    """All fields of a config and of the configs in it, each with the class that has it."""
    for name, annotation in _fields(owner):
        yield name, owner
        for settings in _settings_in(annotation):
            yield from every_field(settings)


def _fields(owner: type) -> list[tuple[str, Any]]:
    if issubclass(owner, BaseModel):
        return [(name, info.annotation) for name, info in owner.model_fields.items()]
    return list(get_type_hints(owner).items())


def _settings_in(annotation: Any) -> Iterator[type]:
    """The config classes in an annotation: itself, or the members of a union, list, map or tuple."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        yield annotation
    for inner in get_args(annotation):
        yield from _settings_in(inner)
