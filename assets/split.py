"""Which documents train the model and which judge it: decided by host or by page, never by line."""

import hashlib
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from assets.config import Config

Split = Literal["train", "held_out"]


class SplitConfig(Config):
    """Which hosts are held out of training, to judge the model on."""

    held_out_hosts: tuple[str, ...] = ()
    """Hosts that are held out whole, with their subdomains: "numpy.org" also names "docs.numpy.org"."""

    held_out_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of all other hosts that a seeded hash of the name holds out; 0 for none."""

    seed: int = 0
    """Seed of that hash; another seed holds out other hosts."""

    unit: Literal["host", "url"] = "host"
    """What the hash is of: the host, or the whole URL where a source has one host only and pages must be split."""


def host_of(url: str) -> str:
    """The host of a URL in lower case, without port; "" where it has none.

    >>> host_of("http://Docs.Example:8080/a")
    'docs.example'
    """
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def domain_of(host: str) -> str:
    """The domain that results are reported under: the host without a leading "www."."""
    return host.lower().rstrip(".").removeprefix("www.")


def split_of_url(url: str, config: SplitConfig) -> Split:
    """Whether a page is held out, by its host or by itself; the same answer in every snapshot."""
    domain = domain_of(host_of(url))
    if any(domain == named or domain.endswith(f".{named}") for named in map(domain_of, config.held_out_hosts)):
        return "held_out"
    name = domain if config.unit == "host" else url
    return "held_out" if uniform_draw(config.seed, name) < config.held_out_share else "train"


def uniform_draw(seed: int | str, name: str) -> float:
    """A number in [0, 1) that the seed and the name decide, uniform over names."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
