"""URLs in one canonical form, and what a crawl may follow."""

import re
from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from yarl import URL

_PATH_PARAMETER = re.compile(r";([^;/]*)")
# Labels as DNS holds them: the resolver does not come back from an empty or a longer one.
LONGEST_HOST = 253 + len(":65535")  # RFC 1035, 2.3.4, and a port
_HOST = re.compile(r"([a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\])(:\d+)?")


def canonical_url(url: str, session_parameters: Collection[str] = (), base: str = "") -> str | None:
    """The canonical form of an http(s) URL, resolved against `base`; None where it is no URL to fetch.

    RFC 3986, section 6.2.2 and 6.2.3, by yarl: scheme and host in lower case (host in its IDNA
    form), no default port, percent-escapes in upper case and only where needed, no dot segments,
    "/" for an empty path. Beyond the RFC: the fragment and an empty query go, session parameters
    go (from the query and as ";name=…" from the path), and query parameters are sorted by name,
    equal names in their order, so that a set of parameters is one page and not one per
    permutation. URLs with credentials are refused. Applying it twice changes nothing.
    """

    def names_session(parameter: str) -> bool:
        return parameter.partition("=")[0].lower() in session_parameters

    try:
        parts = URL(urljoin(base, url.strip(" \t\r\n\f\0")))
        host = parts.host_port_subcomponent or ""
        if parts.scheme not in ("http", "https") or "@" in parts.raw_authority or parts.port == 0:
            return None
        if len(host) > LONGEST_HOST or not _HOST.fullmatch(host):
            return None
        path = _PATH_PARAMETER.sub(lambda found: "" if names_session(found[1]) else found[0], parts.raw_path)
        pieces = [piece for piece in parts.raw_query_string.split("&") if piece and not names_session(piece)]
        query = "&".join(sorted(pieces, key=lambda piece: piece.partition("=")[0]))
        return str(URL(f"{parts.scheme}://{host}{path}?{query}"))  # again: what went may have left dot segments
    except ValueError:
        return None


def origin_of(url: str) -> str:
    """Scheme and authority of a canonical URL: what one robots.txt speaks for."""
    return url[: url.index("/", url.index("//") + 2)]


def host_of(url: str) -> str:
    """Host name of a canonical URL, without port: what politeness is owed to."""
    return urlsplit(url).hostname or ""


class Scope:
    """The domains that a crawl may follow, each with its subdomains."""

    def __init__(self, domains: Collection[str]):
        self.domains = frozenset(domain.lower().strip(".") for domain in domains)

    def covers(self, host: str) -> bool:
        while host and host not in self.domains:
            host = host.partition(".")[2]
        return bool(host)
