"""Where a snapshot's pages come from: the loopback web, sites, WARC files, or rows of Parquet and JSONL."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from assets.config import Config
from assets.crawl.urls import Scope, canonical_url, host_of
from assets.crawl.web.config import WebConfig


def _without_credentials(place: str) -> str:
    """The place itself; the spec is written to manifests and trackers, so a URL in it must hold no secret."""
    if re.search(r"://[^/?#]*@|(?i:[?&](x-amz-signature|x-goog-signature|sig|token|key|password)=)", place):
        raise ValueError(
            "a URL in the spec must hold no user, password or signature, as manifests hold it too; set them in the "
            "environment, where fsspec reads them (FSSPEC_S3_KEY and FSSPEC_S3_SECRET, FSSPEC_HTTPS_CLIENT_KWARGS, …)"
        )
    return place


Place = Annotated[str, AfterValidator(_without_credentials)]


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

    seeds: tuple[Place, ...] = Field(min_length=1)
    """URLs that the crawl starts from, at depth 0; the sitemaps of their hosts are found through robots.txt."""

    domains: tuple[str, ...] = ()
    """Domains that may be crawled, with their subdomains; those of the seeds where empty."""

    @model_validator(mode="after")
    def _seeds_are_urls(self) -> Self:
        scope = Scope(self.scope())
        for seed in self.seeds:
            url = canonical_url(seed)
            if url is None:
                raise ValueError(f"seeds: {seed!r} is not an absolute http or https URL")
            if not scope.covers(host_of(url)):
                raise ValueError(f"domains: none of them covers the seed {seed!r}; add its domain")
        return self

    def scope(self) -> tuple[str, ...]:
        """The domains that may be crawled."""
        return self.domains or tuple(str(urlsplit(seed).hostname) for seed in self.seeds)


class WarcSource(Config):
    """Crawls that were made before: WARC files, or lists of them as Common Crawl publishes."""

    kind: Literal["warc"] = "warc"
    """The word that chooses this source."""

    paths: tuple[Place, ...] = Field(min_length=1)
    """Files or globs, wherever fsspec opens them (local, s3://, gs://, https://), or lists (`.paths`, `.paths.gz`)."""

    prefix: Place = "https://data.commoncrawl.org/"
    """Folder or URL that stands before the entries of a list."""


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


class RowSource(Config):
    """Rows of Parquet files, or lines of JSONL files, a document each."""

    kind: Literal["parquet", "jsonl"]
    """The word that chooses this source."""

    paths: tuple[Place, ...] = Field(min_length=1)
    """Files or globs, wherever fsspec opens them (local, s3://, gs://, https://); JSONL is unpacked by its ending."""

    columns: Columns = Columns(text="text")
    """What the columns (or keys) hold."""


Source = Annotated[LoopbackSource | SiteSource | WarcSource | RowSource, Field(discriminator="kind")]
