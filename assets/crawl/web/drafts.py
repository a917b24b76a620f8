"""Drafts: which documentation becomes a page of its own, under which public name, and what stands together on one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from assets.crawl.web.config import WebConfig
from assets.crawl.web.docstrings import (
    Documented,
    Kind,
    is_generated,
    is_within,
    parse_exports,
    parse_module,
    parse_topics,
)
from assets.crawl.web.packages import TOPICS, Package

OWN_PAGE = 800  # characters from which an object gets a page of its own
THIN_PAGE = 250  # below this nothing is worth a page
LONG_PAGE = 9_000  # where a page of many objects goes on as "part 2"
MAX_DOCSTRING = 24_000


@dataclass(frozen=True, slots=True)
class Draft:
    """One page's content: the objects that it documents, the one that names it first.

    `name` is the public dotted name, unique on the host ("numpy.linalg.norm"; "numpy.linalg" for a
    module's page, "numpy.linalg#2" for its second part).
    """

    name: str
    module: str
    kind: Kind
    sections: tuple[Documented, ...]


def outline(package: Package, config: WebConfig) -> list[Draft]:
    """Read a package's sources and plan its pages in name order; the longest `max_pages_per_host` are kept.

    Files that a program wrote, that are missing, or that are no Python of this version document nothing.
    """
    objects: list[Documented] = []
    exports: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for module, path in package.sources:
        try:
            source = path.read_bytes()
        except OSError:
            continue
        if module == TOPICS:
            objects += parse_topics(source)
        elif not is_generated(source):
            objects += parse_module(source, module, config.minimum_docstring)
            if path.stem == "__init__":
                exports[module] |= parse_exports(source, module)
    short = [item for item in objects if len(item.docstring) <= MAX_DOCSTRING or item.kind == "topic"]
    longest = sorted(plan(publish(short, exports)), key=lambda draft: (-_size(draft.sections), draft.name))
    return sorted(longest[: config.max_pages_per_host], key=lambda draft: draft.name)


def publish(objects: Sequence[Documented], exports: Mapping[str, Mapping[str, str]]) -> list[Documented]:
    """The objects under their public modules: `numpy.linalg._linalg.norm` becomes `numpy.linalg.norm`.

    An object goes to the shortest public ancestor that re-exports its outermost name (where several
    modules define that name, the one with most to say is meant); one that none re-exports only loses
    the private parts of its module. Of objects with one public name the longest docstring stays.
    """
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


def _public_module(item: Documented, exports: Mapping[str, Mapping[str, str]], main_home: str) -> str:
    parts, name = item.module.split("."), _outermost(item)
    for part, ancestor in zip(parts, accumulate(parts, "{}.{}".format), strict=True):
        if part.startswith("_") or not name:
            break
        for imported, origin in exports.get(ancestor, {}).items():
            if (imported == name or imported.endswith(".*")) and is_within(item.module, origin):
                return ancestor
            if imported == name and item.module == main_home:
                return ancestor
    return ".".join(part for part in parts if not part.startswith("_")) or parts[0].lstrip("_")


def plan(objects: Iterable[Documented]) -> list[Draft]:
    """Pages for these objects: long docstrings get their own, short ones gather on their class's or module's page."""
    by_class: defaultdict[tuple[str, str], list[Documented]] = defaultdict(list)
    by_module: defaultdict[str, list[Documented]] = defaultdict(list)
    pages: list[Draft] = []
    for item in objects:
        owner, _, _ = item.name.rpartition(".")
        if item.kind == "topic" or (len(item.docstring) >= OWN_PAGE and item.kind not in ("module", "class")):
            pages += _split(dotted(item), item.module, item.kind, [item])
        elif item.kind == "class" or owner:
            by_class[item.module, item.name if item.kind == "class" else owner].append(item)
        else:
            by_module[item.module].append(item)
    for (module, name), members in by_class.items():
        members.sort(key=lambda item: (item.kind != "class", item.name))
        if _size(members) >= OWN_PAGE // 2:
            pages += _split(f"{module}.{name}", module, "class", members)
        else:
            by_module[module] += members
    for module, members in by_module.items():
        members.sort(key=lambda item: (item.kind != "module", item.name))
        if _size(members) >= THIN_PAGE:
            pages += _split(module, module, "module", members)
    unique = {page.name: page for page in pages}  # a class may be called like a submodule
    return [unique[name] for name in sorted(unique)]


def dotted(item: Documented) -> str:
    """The name by which a reader knows the object: "numpy.linalg.norm"; a topic's is its own."""
    if item.kind == "topic":
        return item.name
    return f"{item.module}.{item.name}" if item.name else item.module


def _split(name: str, module: str, kind: Kind, members: Iterable[Documented]) -> list[Draft]:
    """One draft, or several of at most LONG_PAGE characters where many objects stand together."""
    parts: list[list[Documented]] = [[]]
    for item in members:
        if parts[-1] and _size([*parts[-1], item]) > LONG_PAGE:
            parts.append([])
        parts[-1].append(item)
    return [
        Draft(name if number == 1 else f"{name}#{number}", module, kind, tuple(part))
        for number, part in enumerate(parts, start=1)
        if number == 1 or _size(part) >= THIN_PAGE
    ]


def _size(items: Iterable[Documented]) -> int:
    return sum(len(item.docstring) for item in items)
