"""The loopback web's part of the spec: which packages it documents, in which edition, and how large it is."""

from typing import Self

from pydantic import Field, model_validator

from assets.config import Config

STDLIB = "stdlib"
DOMAIN = "docs.test"


class WebConfig(Config):
    """What the loopback web holds; its bytes follow from this and from the versions of the packages named."""

    packages: tuple[tuple[str, ...], ...] = ((STDLIB,),)
    """Packages that each edition adds, edition 1 first; a package is a distribution ("numpy"), a subpackage that gets
    a host of its own ("scipy:scipy.stats"), "stdlib", a part of it ("stdlib:json"), or the language reference
    ("stdlib:topics")."""

    max_pages_per_host: int = Field(default=320, ge=1)
    """Most documentation pages of a host, the longest first; module indexes, copies and traps come on top."""

    minimum_docstring: int = Field(default=80, ge=1)
    """Shortest docstring that is shown, in characters."""

    crawl_delay_host: str | None = None
    """The one host whose robots.txt asks for a crawl delay, e.g. "json.python.docs.test"; None for no such host."""

    crawl_delay_s: float = Field(default=0.5, gt=0, le=30)
    """The delay that this host asks for between requests, in seconds."""

    seed: int = 0
    """Seed of every draw: which pages change between editions, are copied, opt out, or are dirty."""

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        if not self.packages or not self.packages[0]:
            raise ValueError("packages: edition 1 names no package; give at least one, e.g. [['stdlib:json']]")
        hosts: dict[str, str] = {}
        for reference in (reference for edition in self.packages for reference in edition):
            host = host_of(reference)
            if host in hosts:
                raise ValueError(f"packages: {reference!r} and {hosts[host]!r} are both {host}; name one of them")
            hosts[host] = reference
        if self.crawl_delay_host is not None and self.crawl_delay_host not in hosts:
            raise ValueError(
                f"crawl_delay_host: {self.crawl_delay_host!r} is no host of `packages`; one is {next(iter(hosts))!r}"
            )
        return self


def host_of(reference: str) -> str:
    """The host that documents a package: "numpy" is numpy.docs.test, "scipy:scipy.stats" stats.scipy.docs.test."""
    package, _, module = reference.partition(":")
    name = "python" if package == STDLIB else package
    parts = module.split(".")
    if module and parts[0].lower() == package.lower():
        parts = parts[1:]
    labels = [*reversed([part for part in parts if part]), name.replace(".", "-")]
    return ".".join([*(label.strip("_") for label in labels), DOMAIN]).lower().replace("_", "-")
