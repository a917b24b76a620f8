"""The pages of a host: what stands at which path in one edition."""

from dataclasses import dataclass
from enum import StrEnum

from assets.crawl.web.drafts import Draft


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


UNLISTED = frozenset({PageKind.MOVED, PageKind.INTERNAL, PageKind.CALENDAR})
LABELS = [PageKind.DUPLICATE, PageKind.NOAI_META, PageKind.OLDER, PageKind.MOJIBAKE]
LABELS += [PageKind.MOVED, PageKind.NOAI_HEADER, PageKind.INTERNAL, PageKind.TDM_RESERVED]
LABEL_EVERY = 5  # so one page in five has a label, each kind one in forty


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

    @property
    def is_listed(self) -> bool:
        """Whether the sitemap has it: a page that exists and that robots.txt allows."""
        return self.kind not in UNLISTED


def label_of(rank: int, host_rank: int) -> PageKind | None:
    """The label of a host's page by its place in a drawn order; hosts start at different labels."""
    place, rest = divmod(rank, LABEL_EVERY)
    return None if rest else LABELS[(place + host_rank * 3) % len(LABELS)]
