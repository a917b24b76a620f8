"""The hosts of the web in one edition: all pages of each, planned from its drafts, and what links to what."""

import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from assets.crawl.web.config import WebConfig, host_of
from assets.crawl.web.drafts import Draft, dotted, outline
from assets.crawl.web.editions import Life, at_edition, draw, generator, life, reword
from assets.crawl.web.packages import Package, find_package
from assets.crawl.web.themes import theme_of
from resources.errors import SpecError
from resources.lifeline import exit_with_pool

CALENDAR_RANK, BUSY_RANK = 0, 4
CALENDAR, BUSY = "/calendar/2026/01/", "/status/load.html"
NEIGHBOURS = 3


class PageKind(StrEnum):
    """What a page is; all but the first five are dirt, traps or opt-outs that a crawl has to deal with."""

    ARTICLE = "article"
    INDEX = "index"  # a module's contents, with its short documentation
    HOME = "home"
    LICENSE = "license"
    ARCHIVE = "archive"  # what became of copied and moved pages
    DUPLICATE = "duplicate"  # the bytes of another page under a second URL
    OLDER = "older"  # another page as an earlier release had it: a near-duplicate
    MOVED = "moved"  # a redirect
    INTERNAL = "internal"  # real text behind a robots.txt rule
    NOAI_META = "noai_meta"
    NOAI_HEADER = "noai_header"
    TDM_RESERVED = "tdm_reserved"
    MOJIBAKE = "mojibake"
    CONTACT = "contact"  # made-up personal data
    SPAM = "spam"  # stuffed with keywords
    MACHINE_MADE = "machine_made"  # text without sense, from a Markov chain
    CALENDAR = "calendar"  # a trap: every month links to the next
    BUSY = "busy"  # answers 429 with Retry-After before it answers


_COPIES = frozenset({PageKind.DUPLICATE, PageKind.OLDER, PageKind.MOVED})
# What a sitemap leaves out: what is no page, what robots.txt forbids, and the trap.
UNLISTED = frozenset({PageKind.MOVED, PageKind.INTERNAL, PageKind.CALENDAR})
LABELS = [PageKind.DUPLICATE, PageKind.NOAI_META, PageKind.OLDER, PageKind.MOJIBAKE]
LABELS += [PageKind.MOVED, PageKind.NOAI_HEADER, PageKind.INTERNAL, PageKind.TDM_RESERVED]
LABEL_EVERY = 5


@dataclass(frozen=True, slots=True)
class Page:
    """One address of a host.

    `name` is the shown name, `of` the path that a copy or a redirect stands for, `changed` the
    edition that last changed its bytes, `module` the index that it hangs under.
    """

    path: str
    kind: PageKind
    name: str
    module: str = ""
    draft: Draft | None = None
    of: str = ""
    changed: int = 1


@dataclass(frozen=True)
class Place:
    """Where a host stands in the web: its rank decides theme, encoding and traps and never changes."""

    added: int
    rank: int
    neighbours: tuple[str, ...]


class Site:
    """All pages of a host by path. Pages of other editions are known by address only, for links."""

    def __init__(self, package: Package, drafts: Sequence[Draft], place: Place, config: WebConfig, edition: int):
        self.package, self.drafts, self.place, self.config, self.edition = package, drafts, place, config, edition
        self.host, self.theme = package.host, theme_of(place.rank)
        self.modules = sorted({draft.module for draft in drafts})
        self.index_paths = {m: self.theme.address(Draft(m, m, "module", ())) for m in self.modules}
        self.lives = {draft.name: self._life(draft) for draft in drafts}
        articles = [draft for draft in drafts if not _is_index(draft)]
        articles.sort(key=lambda draft: draw(config.seed, self.host, draft.name, "label"))
        # One page in five has a label, each kind one in forty; hosts start at different labels.
        labelled = enumerate(articles[::LABEL_EVERY], start=place.rank * 3)
        self._labels = {draft.name: LABELS[number % len(LABELS)] for number, draft in labelled}
        self.paths = self._addresses()
        self._where = {
            dotted(section): (draft.name, f"#{dotted(section)}" if number else "")
            for draft in drafts
            for number, section in enumerate(draft.sections)
        }
        self.siblings: dict[str, list[str]] = defaultdict(list)
        for draft in drafts:
            if draft.name in self.paths and not _is_index(draft):
                self.siblings[draft.module].append(draft.name)
        self.pages: dict[str, Page] = {}
        for page in (*self._articles(), *self._indexes(), *self._extras()):
            self.pages.setdefault(page.path, page)

    def _life(self, draft: Draft) -> Life:
        fate = life(self.config.seed, self.host, draft.name, self.place.added, self.edition)
        if _is_index(draft):  # a module's index stays; only its text changes
            return replace(fate, born=self.place.added, gone=None)
        return fate

    def _addresses(self) -> dict[str, str]:
        """The path of every draft of any edition; of two drafts with one path the first keeps it."""
        paths, owners = {}, {path: module for module, path in self.index_paths.items()}
        for draft in self.drafts:
            prefix = "/internal" if self._labels.get(draft.name) is PageKind.INTERNAL else ""
            path = prefix + self.theme.address(draft)
            if owners.setdefault(path, draft.name) == draft.name:
                paths[draft.name] = path
        return paths

    def _articles(self) -> Iterator[Page]:
        for draft in self.drafts:
            fate = self.lives[draft.name]
            if draft.name not in self.paths or _is_index(draft) or not fate.is_shown(self.edition):
                continue
            path, label = self.paths[draft.name], self._labels.get(draft.name)
            kind = PageKind.ARTICLE if label is None or label in _COPIES else label
            shown = at_edition(draft, fate, self.edition, self.config.seed)
            page = Page(path, kind, draft.name, draft.module, shown, changed=fate.changed(self.edition))
            yield page
            if label is PageKind.MOVED:
                yield replace(page, path=f"/old/{draft.name.replace('#', '-')}", kind=label, of=path)
            elif label is PageKind.DUPLICATE:
                yield replace(page, path=f"/latest{path}", kind=label, of=path)
            elif label is PageKind.OLDER:
                older = reword(draft, self.config.seed, "older")
                yield replace(page, path=f"/previous{path}", kind=label, draft=older, of=path, changed=fate.born)

    def _indexes(self) -> Iterator[Page]:
        own = {draft.module: draft for draft in self.drafts if _is_index(draft)}
        for module, path in self.index_paths.items():
            draft, changed = own.get(module), self._last_change(self.siblings[module])
            if draft is not None:
                fate = self.lives[draft.name]
                changed = max(changed, fate.changed(self.edition))
                draft = at_edition(draft, fate, self.edition, self.config.seed)
            yield Page(path, PageKind.INDEX, module, module, draft, changed=changed)

    def _last_change(self, drafts: Iterable[str]) -> int:
        """The last edition in which one of these drafts' pages appeared or went."""
        events = [event for name in drafts for event in (self.lives[name].born, self.lives[name].gone)]
        past = [event for event in events if event is not None and event <= self.edition]
        return max(past, default=self.place.added)

    def _extras(self) -> Iterator[Page]:
        """Pages that no module has: notices, and the host's dirt and traps."""
        name, rank, added = self.package.name, self.place.rank, self.place.added
        copied = self._last_change(draft for draft, label in self._labels.items() if label in _COPIES)
        yield Page("/", PageKind.HOME, name, changed=added)
        yield Page("/license.html", PageKind.LICENSE, f"License of {name}", changed=added)
        yield Page("/archive.html", PageKind.ARCHIVE, f"Archive of {name}", changed=max(copied, added))
        yield Page("/about/contact.html", PageKind.CONTACT, "Contact", changed=added)
        for n in (1, 2):
            if rank % 3 == 1:
                yield Page(f"/tags/{n}.html", PageKind.SPAM, f"Tag {n}", changed=added)
            elif rank % 3 == 2:
                yield Page(f"/community/notes-{n}.html", PageKind.MACHINE_MADE, f"Notes {n}", changed=added)
        if rank == CALENDAR_RANK:
            yield Page(CALENDAR, PageKind.CALENDAR, "Events", changed=added)
        if rank == BUSY_RANK:
            yield Page(BUSY, PageKind.BUSY, "Load of the build servers", changed=added)

    def resolve(self, name: str, born: int) -> str | None:
        """The address of a documented name, if its page is no younger than edition `born`."""
        draft, anchor = self._where.get(name, ("", ""))
        if draft not in self.paths or self.lives[draft].born > born:
            return None
        return self.paths[draft] + anchor

    def neighbours_of(self, page: Page) -> list[str]:
        """Names of the pages before and after and a few others of the module, as the page has always linked them."""
        born = self.lives[page.name].born
        row = [name for name in self.siblings[page.module] if self.lives[name].born <= born]
        place = row.index(page.name)
        others = generator(self.config.seed, self.host, page.name, "related").sample(row, min(4, len(row)))
        chosen = [*row[max(0, place - 1) : place], *row[place + 1 : place + 2], *others]
        return [name for name in dict.fromkeys(chosen) if name != page.name]

    def members(self, module: str) -> list[Page]:
        """The pages that a module's index lists in this edition."""
        paths = [self.paths[name] for name in self.siblings[module]]
        return [self.pages[path] for path in paths if path in self.pages]


def _is_index(draft: Draft) -> bool:
    return draft.name == draft.module


def build_web(config: WebConfig, edition: int, workers: int = 1) -> dict[str, Site]:
    """All hosts of an edition that have pages, by name; the same for any number of workers.

    Raises SpecError if a package is not installed or nothing is documented.
    """
    if edition < 1:
        raise SpecError(f"edition {edition}: editions are counted from 1")
    shown = [reference for names in config.packages[:edition] for reference in names]
    read = partial(_read, config=config)
    if workers > 1 and len(shown) > 1:
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_pool) as pool:
            planned = list(pool.map(read, shown))
    else:
        planned = [read(reference) for reference in shown]
    places = _places(config)
    sites = [Site(package, drafts, places[package.host], config, edition) for package, drafts in planned if drafts]
    if not sites:
        raise SpecError("packages: none of them documents anything of the minimal length; name others")
    return {site.host: site for site in sites}


def _read(reference: str, config: WebConfig) -> tuple[Package, list[Draft]]:
    package = find_package(reference, [other for names in config.packages for other in names])
    return package, outline(package, config)


def _places(config: WebConfig) -> dict[str, Place]:
    """Ranks in a drawn order, edition by edition, so that what a later edition adds moves nobody."""
    hosts = [(added, host_of(name)) for added, names in enumerate(config.packages, start=1) for name in names]
    drawn = sorted((added, draw(config.seed, host, "rank"), host) for added, host in hosts)
    places = {}
    for rank, (added, _, host) in enumerate(drawn):
        others = [(draw(config.seed, host, other), other) for e, _, other in drawn if e <= added and other != host]
        places[host] = Place(added, rank, tuple(other for _, other in sorted(others)[:NEIGHBOURS]))
    return places
