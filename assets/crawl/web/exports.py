"""Public names: under which package a reader knows an object that a private module defines."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from assets.crawl.web.docstrings import Documented


@dataclass
class Exports:
    """What a package's `__init__` imports from inside itself: names with where from, and whole modules."""

    names: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)


def read_exports(source: bytes, package: str, exports: Exports) -> Exports:
    """Add the re-exports of an `__init__` file (or its stub); a file that cannot be parsed has none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return exports
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        if origin != package and not origin.startswith(package + "."):
            continue
        for alias in node.names:
            if alias.name == "*":
                exports.stars.append(origin)
            elif not alias.name.startswith("_"):
                exports.names[alias.asname or alias.name] = origin
    return exports


def publish(objects: Iterable[Documented], exports: Mapping[str, Exports]) -> list[Documented]:
    """The objects under their public modules: `numpy.linalg._linalg.norm` becomes `numpy.linalg.norm`.

    An object goes to the shortest public ancestor that re-exports its outermost name (where several
    modules define that name, the one with most to say is meant); one that none re-exports only
    loses the private parts of its module. Of objects with one public name
    the longest docstring stays. Sorted by public name.
    """
    objects = list(objects)
    homes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item in objects:
        homes[_outermost(item)][item.module] += 1
    main_home = {name: max(sorted(count), key=count.__getitem__) for name, count in homes.items()}
    public: dict[tuple[str, str], Documented] = {}
    for item in objects:
        module = _public_module(item, exports, main_home[_outermost(item)])
        key = (module, item.name)
        if key not in public or len(public[key].docstring) < len(item.docstring):
            public[key] = replace(item, module=module)
    return [public[key] for key in sorted(public)]


def _outermost(item: Documented) -> str:
    return item.name.partition(".")[0]


def _public_module(item: Documented, exports: Mapping[str, Exports], main_home: str) -> str:
    parts, name = item.module.split("."), _outermost(item)
    for depth in range(1, len(parts) + 1 if name else 0):
        ancestor = ".".join(parts[:depth])
        if parts[depth - 1].startswith("_"):
            break
        if ancestor not in exports:
            continue
        origin = exports[ancestor].names.get(name)
        if origin is not None and (item.module == main_home or _is_within(item.module, origin)):
            return ancestor
        if any(_is_within(item.module, star) for star in exports[ancestor].stars):
            return ancestor
    return ".".join(part for part in parts if not part.startswith("_")) or parts[0].lstrip("_")


def _is_within(module: str, ancestor: str) -> bool:
    return module == ancestor or module.startswith(ancestor + ".")
