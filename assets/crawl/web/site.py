"""A host in one edition: all of its pages, planned from its drafts, and what links to what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from assets.crawl.web.config import WebConfig
from assets.crawl.web.drafts import Draft, dotted
from assets.crawl.web.editions import Life, at_edition, draw, generator, life, reword
from assets.crawl.web.packages import Package
from assets.crawl.web.pages import Page, PageKind, label_of
from assets.crawl.web.themes import theme_of

CALENDAR_RANK, BUSY_RANK = 0, 4
CALENDAR, BUSY = "/calendar/2026/01/", "/status/load.html"
_COPIES = frozenset({PageKind.DUPLICATE, PageKind.OLDER, PageKind.MOVED})


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
        self._labels = {draft.name: label_of(rank, place.rank) for rank, draft in enumerate(articles)}
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
            path, label = self.paths[draft.name], self._labels[draft.name]
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
