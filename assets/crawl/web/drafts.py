"""Drafts: which documentation becomes a page of its own and what stands together on one."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from assets.crawl.web.config import WebConfig
from assets.crawl.web.docstrings import (
    Documented,
    Kind,
    UnreadableSourceError,
    is_generated,
    parse_module,
    parse_topics,
)
from assets.crawl.web.exports import Exports, publish, read_exports
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

    @property
    def size(self) -> int:
        return sum(len(section.docstring) for section in self.sections)


@dataclass(frozen=True)
class Outline:
    """All drafts of a package in name order, and what of its files was left out, by reason."""

    drafts: tuple[Draft, ...]
    skipped: dict[str, int]


def outline(package: Package, config: WebConfig) -> Outline:
    """Read a package's sources and plan its pages; the longest `max_pages_per_host` are kept."""
    skipped: Counter[str] = Counter()
    objects: list[Documented] = []
    exports: dict[str, Exports] = {}
    for module, path in package.sources:
        try:
            source = path.read_bytes()
            if module == TOPICS:
                objects += parse_topics(source)
                continue
            if is_generated(source):
                skipped["generated"] += 1
                continue
            objects += parse_module(source, module, config.minimum_docstring)
        except OSError:
            skipped["missing"] += 1
        except UnreadableSourceError:
            skipped["unreadable"] += 1
        else:
            if path.stem == "__init__":
                exports[module] = read_exports(source, module, exports.get(module, Exports()))
    short = [item for item in objects if len(item.docstring) <= MAX_DOCSTRING or item.kind == "topic"]
    skipped["too_long"] += len(objects) - len(short)
    drafts = plan(publish(short, exports))
    longest = sorted(drafts, key=lambda draft: (-draft.size, draft.name))[: config.max_pages_per_host]
    return Outline(tuple(sorted(longest, key=lambda draft: draft.name)), dict(sorted((+skipped).items())))


def plan(objects: Sequence[Documented]) -> list[Draft]:
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
        if sum(len(item.docstring) for item in members) >= OWN_PAGE // 2:
            pages += _split(f"{module}.{name}", module, "class", members)
        else:
            by_module[module] += members
    for module, members in by_module.items():
        members.sort(key=lambda item: (item.kind != "module", item.name))
        if sum(len(item.docstring) for item in members) >= THIN_PAGE:
            pages += _split(module, module, "module", members)
    unique = {page.name: page for page in pages}  # a class may be called like a submodule
    return [unique[name] for name in sorted(unique)]


def dotted(item: Documented) -> str:
    """The name by which a reader knows the object: "numpy.linalg.norm"; a topic's is its own."""
    if item.kind == "topic":
        return item.name
    return f"{item.module}.{item.name}" if item.name else item.module


def _split(name: str, module: str, kind: Kind, members: Sequence[Documented]) -> list[Draft]:
    """One draft, or several of at most LONG_PAGE characters where many objects stand together."""
    parts: list[list[Documented]] = [[]]
    size = 0
    for item in members:
        if parts[-1] and size + len(item.docstring) > LONG_PAGE:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += len(item.docstring)
    return [
        Draft(name if number == 1 else f"{name}#{number}", module, kind, tuple(part))
        for number, part in enumerate(parts, start=1)
        if number == 1 or sum(len(item.docstring) for item in part) >= THIN_PAGE
    ]
