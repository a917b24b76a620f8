"""A host in one edition: all of its pages, planned from its drafts, and what links to what."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assets.crawl.web.config import WebConfig
from assets.crawl.web.drafts import Draft, Outline, dotted
from assets.crawl.web.draws import draw, generator
from assets.crawl.web.editions import Life, at_edition, life, reword
from assets.crawl.web.packages import Package
from assets.crawl.web.pages import Page, PageKind, label_of
from assets.crawl.web.themes import ENCODINGS, THEMES, Theme

NAVIGATION = 12  # modules that a page's navigation shows
CALENDAR_RANK, BUSY_RANK = 0, 4
CALENDAR, BUSY = "/calendar/2026/01/", "/status/load.html"
_COPIES = {PageKind.DUPLICATE: "/latest", PageKind.OLDER: "/previous"}


@dataclass(frozen=True)
class Place:
    """Where a host stands in the web: its rank decides theme, encoding and traps and never changes."""

    added: int
    rank: int
    neighbours: tuple[str, ...]


class Site:
    """All pages of a host by path. Pages of other editions are known by address only, for links."""

    def __init__(self, package: Package, planned: Outline, place: Place, config: WebConfig, edition: int):
        self.package, self.place, self.config, self.edition = package, place, config, edition
        self.host = package.host
        encoding, in_header = ENCODINGS.get(place.rank, ("utf-8", True))
        self.theme: Theme = replace(THEMES[place.rank % len(THEMES)], encoding=encoding, in_header=in_header)
        self.drafts = planned.drafts
        self.modules = sorted({draft.module for draft in planned.drafts})
        self.index_paths = {m: self.theme.address(Draft(m, m, "module", ())) for m in self.modules}
        self.lives = {draft.name: self._life(draft) for draft in planned.drafts}
        self.paths, self._labels = self._addresses()
        self._where = {
            dotted(section): (draft.name, f"#{dotted(section)}" if number else "")
            for draft in planned.drafts
            for number, section in enumerate(draft.sections)
        }
        self.siblings: dict[str, list[str]] = defaultdict(list)
        for draft in self.drafts:
            if not self._is_index(draft):
                self.siblings[draft.module].append(draft.name)
        self.pages: dict[str, Page] = {}
        for page in (*self._articles(), *self._indexes(), *self._extras()):
            self.pages.setdefault(page.path, page)

    def _life(self, draft: Draft) -> Life:
        fate = life(self.config.seed, self.host, draft.name, self.place.added, self.edition)
        if self._is_index(draft):  # a module's index stays; only its text changes
            return replace(fate, born=self.place.added, gone=None)
        return fate

    def _is_index(self, draft: Draft) -> bool:
        return draft.name == draft.module

    def _addresses(self) -> tuple[dict[str, str], dict[str, PageKind]]:
        """Path and label of every draft of any edition; of two drafts with one path the first keeps it."""
        articles = [draft for draft in self.drafts if not self._is_index(draft)]
        drawn = sorted(articles, key=lambda draft: draw(self.config.seed, self.host, draft.name, "label"))
        labels = {draft.name: label_of(rank, self.place.rank) for rank, draft in enumerate(drawn)}
        paths: dict[str, str] = {}
        taken = set(self.index_paths.values())
        for draft in self.drafts:
            prefix = "/internal" if labels.get(draft.name) is PageKind.INTERNAL else ""
            path = prefix + self.theme.address(draft)
            if self._is_index(draft) or path not in taken:
                paths[draft.name] = path
                taken.add(path)
        return paths, {name: label for name, label in labels.items() if label is not None}

    def _articles(self) -> list[Page]:
        pages = []
        for draft in self.drafts:
            fate = self.lives[draft.name]
            if draft.name not in self.paths or self._is_index(draft) or not fate.is_shown(self.edition):
                continue
            path, label = self.paths[draft.name], self._labels.get(draft.name)
            kind = PageKind.ARTICLE if label is None or label in (*_COPIES, PageKind.MOVED) else label
            shown = at_edition(draft, fate, self.edition, self.config.seed)
            page = Page(path, kind, draft.name, draft.module, shown, changed=fate.changed(self.edition))
            pages.append(page)
            if label is PageKind.MOVED:
                pages.append(replace(page, path=f"/old/{draft.name.replace('#', '-')}", kind=label, of=path))
            elif label is PageKind.DUPLICATE:
                pages.append(replace(page, path=_COPIES[label] + path, kind=label, of=path))
            elif label is PageKind.OLDER:
                older = reword(draft, self.config.seed, "older")
                page = replace(page, kind=label, draft=older, of=path, changed=fate.born)
                pages.append(replace(page, path=_COPIES[label] + path))
        return pages

    def _indexes(self) -> list[Page]:
        own = {draft.module: draft for draft in self.drafts if self._is_index(draft)}
        pages = []
        for module in self.modules:
            draft = own.get(module)
            changed = self._last_change([self.lives[name] for name in self.siblings[module]])
            if draft is not None:
                fate = self.lives[draft.name]
                changed = max(changed, fate.changed(self.edition))
                draft = at_edition(draft, fate, self.edition, self.config.seed)
            pages.append(Page(self.index_paths[module], PageKind.INDEX, module, module, draft, changed=changed))
        return pages

    def _last_change(self, lives: Sequence[Life]) -> int:
        """The last edition in which one of these pages appeared or went."""
        events = [event for fate in lives for event in (fate.born, fate.gone) if event is not None]
        return max((event for event in events if event <= self.edition), default=self.place.added)

    def _extras(self) -> list[Page]:
        """Pages that no module has: notices, translations, and the host's dirt and traps."""
        name, rank, catalogues = self.package.name, self.place.rank, self.package.catalogues
        copied = [self.lives[draft] for draft, label in self._labels.items() if label in (*_COPIES, PageKind.MOVED)]
        pages = [
            Page("/", PageKind.HOME, name),
            Page("/license.html", PageKind.NOTICE, f"License of {name}"),
            Page("/archive.html", PageKind.NOTICE, f"Archive of {name}", changed=self._last_change(copied)),
            *(Page(f"/{lang}/", PageKind.NOTICE, f"{name} ({lang})", language=lang) for lang in catalogues),
            Page("/about/contact.html", PageKind.CONTACT, "Contact"),
        ]
        if rank % 3 == 1:
            pages += [Page(f"/tags/{n}.html", PageKind.SPAM, f"Tag {n}") for n in (1, 2)]
        elif rank % 3 == 2:
            pages += [Page(f"/community/notes-{n}.html", PageKind.MACHINE_MADE, f"Notes {n}") for n in (1, 2)]
        if rank == CALENDAR_RANK:
            pages.append(Page(CALENDAR, PageKind.CALENDAR, "Events"))
        if rank == BUSY_RANK:
            pages.append(Page(BUSY, PageKind.BUSY, "Load of the build servers"))
        return [replace(page, changed=max(page.changed, self.place.added)) for page in pages]

    def resolve(self, name: str, born: int) -> str | None:
        """The address of a documented name, if its page is no younger than edition `born`."""
        draft, anchor = self._where.get(name, ("", ""))
        if draft not in self.paths or self.lives[draft].born > born:
            return None
        return self.paths[draft] + anchor

    def neighbours_of(self, page: Page) -> list[str]:
        """Names of the pages before and after and a few others of the module, as the page has always linked them."""
        born = self.lives[page.name].born
        row = [n for n in self.siblings[page.module] if self.lives[n].born <= born and n in self.paths]
        place = row.index(page.name)
        others = generator(self.config.seed, self.host, page.name, "related").sample(row, min(4, len(row)))
        chosen = [*row[max(0, place - 1) : place], *row[place + 1 : place + 2], *others]
        return [name for name in dict.fromkeys(chosen) if name != page.name]

    def members(self, module: str) -> list[Page]:
        """The pages that a module's index lists in this edition."""
        paths = [self.paths[name] for name in self.siblings[module] if name in self.paths]
        return [self.pages[path] for path in paths if path in self.pages]
