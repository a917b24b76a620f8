"""Where a snapshot's pages come from: the loopback web, sites, WARC files, or rows of Parquet and JSONL."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from assets.config import Config
from assets.crawl.web.config import WebConfig


class LoopbackSource(Config):
    """The web that this project serves to itself on 127.0.0.1; crawled like any other."""

    kind: Literal["loopback"] = "loopback"
    """The word that chooses this source."""

    web: WebConfig = WebConfig()
    """What the loopback web holds."""

    editions: Mapping[str, int] = Field(default={})
    """Edition of the web (1, 2, …) that each snapshot sees, by snapshot date."""


class SiteSource(Config):
    """Sites of the open web (or of an intranet, if `allow_addresses` names its networks)."""

    kind: Literal["site"] = "site"
    """The word that chooses this source."""

    seeds: tuple[str, ...] = Field(min_length=1)
    """URLs that the crawl starts from, at depth 0; the sitemaps of their hosts are found through robots.txt."""

    domains: tuple[str, ...] = ()
    """Domains that may be crawled, with their subdomains; those of the seeds where empty."""

    @model_validator(mode="after")
    def _seeds_are_urls(self) -> Self:
        for seed in self.seeds:
            if urlsplit(seed).scheme not in ("http", "https") or not urlsplit(seed).hostname:
                raise ValueError(f"seeds: {seed!r} is not an absolute http or https URL")
            host = f".{urlsplit(seed).hostname}"
            if not any(host.endswith(f".{domain.lower().strip('.')}") for domain in self.scope()):
                raise ValueError(f"domains: none of them covers the seed {seed!r}; add its domain")
        return self

    def scope(self) -> tuple[str, ...]:
        """The domains that may be crawled."""
        return self.domains or tuple(str(urlsplit(seed).hostname) for seed in self.seeds)


class FileSource(Config):
    """Files that are read in the order of their names; any path that fsspec opens (local, s3://, gs://, https://)."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Files or globs; `.gz` and other compressions by their ending."""


class WarcSource(FileSource):
    """Crawls that were made before: WARC files, or lists of them as Common Crawl publishes."""

    kind: Literal["warc"] = "warc"
    """The word that chooses this source."""

    prefix: str = "https://data.commoncrawl.org/"
    """Folder or URL that stands before the entries of a list (a path that ends in `.paths` or `.paths.gz`)."""


class Columns(Config):
    """Which column (Parquet) or key (JSONL) holds what; exactly one of `text` and `html` is given."""

    text: str | None = None
    """Column of plain text."""

    html: str | None = None
    """Column of HTML."""

    url: str | None = None
    """Column of the URL; without one a row is named `file:NAME#ROW`."""

    title: str | None = None
    """Column of the title."""

    license: str | None = None
    """Column of the licence."""

    language: str | None = None
    """Column of the language, as a BCP 47 tag."""

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if (self.text is None) == (self.html is None):
            raise ValueError("columns: give exactly one of `text` and `html`")
        return self

    @property
    def body(self) -> str:
        return self.text or self.html or ""

    def named(self) -> list[str]:
        """The columns that are read, each once."""
        given = (self.body, self.url, self.title, self.license, self.language)
        return list(dict.fromkeys(name for name in given if name))


class ParquetSource(FileSource):
    """Rows of Parquet files, a document each."""

    kind: Literal["parquet"] = "parquet"
    """The word that chooses this source."""

    columns: Columns = Columns(text="text")
    """What the columns hold."""


class JsonlSource(FileSource):
    """Lines of JSONL files, a document each."""

    kind: Literal["jsonl"] = "jsonl"
    """The word that chooses this source."""

    columns: Columns = Columns(text="text")
    """What the keys hold."""


WebSource = LoopbackSource | SiteSource
RowSource = ParquetSource | JsonlSource
Source = Annotated[WebSource | WarcSource | RowSource, Field(discriminator="kind")]
