"""Settings in layers (profile < file < environment < --set), each value with where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from resources.errors import SpecError

Key = tuple[str, ...]
ENVIRONMENT_PREFIX = "TIDEMILL_SPEC__"
DEFAULTS = "defaults"
PROFILES = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Settings:
    """Plain nested values and, by path, the place that set each: `smoke.yaml:12`, `--set`, `$NAME`."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)

    def over(self, below: Settings) -> Settings:
        """These settings laid over others: maps merge, unless of another `kind`; anything else replaces."""
        return Settings(_merge(below.values, self.values), {**below.origins, **self.origins})

    def origin(self, path: Sequence[str | int]) -> str:
        """Where the value at a path was set, or something in it, or the nearest thing around it."""
        key = tuple(map(str, path))
        within = (found for found in self.origins if key and found[: len(key)] == key)
        around = (key[:end] for end in range(len(key), 0, -1))
        return next((self.origins[found] for found in (key, *within, *around) if found in self.origins), DEFAULTS)

    def source(self, path: Sequence[str]) -> str:
        """Where the value at a path was set; "defaults" where no layer sets it."""
        value: Any = self.values
        for part in path:
            if not isinstance(value, Mapping) or part not in value:
                return DEFAULTS
            value = value[part]
        return self.origin(path)


class _Loader(yaml.SafeLoader):
    """YAML with dates left as text and `1e-3` read as a number, as YAML 1.2 has it."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_profile(name: str, above: tuple[Path, ...] = ()) -> Settings:
    """A profile by name (`smoke`, `demo`, `gpu`) or by the path of a YAML file, with what it extends.

    `above` are the profiles that led here by extending.

    Raises:
        SpecError: if there is no such profile, it is not YAML, or it extends itself in the end.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else PROFILES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(profile.stem for profile in PROFILES.glob("*.yaml")))
        raise SpecError(f"there is no profile {name!r}: use {known}, or the path of a YAML file")
    if path.resolve() in above:
        raise SpecError(f"{path} extends itself, by way of {', '.join(p.name for p in above)}; take one `extends` out")
    above = (*above, path.resolve())
    settings = _read_yaml(path)
    base = settings.values.pop("extends", None)
    if base is None:
        return settings
    return settings.over(read_profile(str(path.parent / base) if base.endswith((".yaml", ".yml")) else base, above))


def read_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from variables such as `TIDEMILL_SPEC__crawl__delay_s=0.5`."""
    settings = Settings()
    for variable, text in sorted(environment.items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            settings = _single(variable[len(ENVIRONMENT_PREFIX) :].split("__"), text, f"${variable}").over(settings)
    return settings


def read_assignments(assignments: Sequence[str]) -> Settings:
    """Settings from `--set a.b=c` arguments; values are YAML.

    Raises:
        SpecError: if one has no `=`.
    """
    settings = Settings()
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise SpecError(f"--set {assignment}: write it as --set part.field=value")
        settings = _single(path.split("."), text, f"--set {path}").over(settings)
    return settings


def _single(path: Sequence[str], text: str, origin: str) -> Settings:
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise SpecError(f"{origin}: {text!r} is not a YAML value ({error})") from error
    for part in reversed(path):
        value = {part: value}
    return Settings(value, {tuple(path): origin})


def _read_yaml(path: Path) -> Settings:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, _Loader)
        values = yaml.load(text, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict) or node is None:
        raise SpecError(f"{path} is empty or not a map of settings")
    return Settings(values, dict(_origins(node, (), path.name)))


def _origins(node: yaml.Node, key: Key, file: str) -> Iterator[tuple[Key, str]]:
    if key:
        yield key, f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            path = (*key, str(name.value))
            yield path, f"{file}:{name.start_mark.line + 1}"
            yield from ((k, o) for k, o in _origins(value, path, file) if k != path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _origins(value, (*key, str(index)), file)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    if "kind" in below and above.get("kind", below["kind"]) != below["kind"]:
        return dict(above)  # another kind of source has other fields: it replaces, rather than inherits
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = _merge(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return merged
