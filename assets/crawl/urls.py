"""URLs in one canonical form, and what a crawl may follow."""

import re
from collections.abc import Collection
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE = "/:@!$&'()*+,;=%"
_QUERY_SAFE = _PATH_SAFE + "?"
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PARAMETER = re.compile(r";([^;/]*)")
_IGNORED = re.compile(r"[\t\r\n]")
# Labels as DNS holds them: the resolver does not come back from an empty or a longer one.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\]")


def canonical_url(url: str, session_parameters: Collection[str] = (), base: str = "") -> str | None:
    """The canonical form of an http(s) URL, resolved against `base`; None where it is no URL to fetch.

    RFC 3986, section 6.2.2 and 6.2.3: scheme and host in lower case (host in its IDNA form), no
    default port, percent-escapes in upper case and only where needed, no dot segments, "/" for an
    empty path. Beyond the RFC: the fragment and an empty query go, session parameters go (from
    the query and as ";name=…" from the path), and query parameters are sorted by name, equal
    names in their order, so that a set of parameters is one page and not one per permutation.
    URLs with credentials are refused. Applying it twice changes nothing.
    """
    cleaned = _IGNORED.sub("", url.strip(" \t\r\n\f\0"))
    try:
        parts = urlsplit(urljoin(base, cleaned))
        port = parts.port
        host = _canonical_host(parts.hostname or "")
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or host is None or "@" in parts.netloc or port == 0:
        return None
    authority = host if port is None or port == DEFAULT_PORTS[parts.scheme] else f"{host}:{port}"
    path = _without_session(_escaped(parts.path, _PATH_SAFE), session_parameters)
    query = _sorted_query(_escaped(parts.query, _QUERY_SAFE), session_parameters)
    return urlunsplit((parts.scheme, authority, _without_dots(path) or "/", query, ""))


def link_base(link: str, folder: str, base: str) -> str:
    """The base that decides what a link means: its page's folder if that will do, so that pages share one look-up."""
    return folder if link[:1].isalnum() or link.startswith(("/", ".")) else base


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


def _canonical_host(host: str) -> str | None:
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        host = host.encode("idna").decode("ascii")
    host = host.lower().removesuffix(".")
    return host if _HOST.fullmatch(host) else None


def _escaped(text: str, safe: str) -> str:
    text = _ESCAPE.sub(_shortest_escape, _STRAY_PERCENT.sub("%25", text))
    # Lone surrogates, which HTML parsers can give, are no characters; they become "?" escaped.
    return quote(text, safe=safe, errors="replace")


def _shortest_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _without_session(path: str, names: Collection[str]) -> str:
    return _PARAMETER.sub(lambda match: "" if _name(match[1]) in names else match[0], path)


def _sorted_query(query: str, names: Collection[str]) -> str:
    pieces = [piece for piece in query.split("&") if piece and _name(piece) not in names]
    return "&".join(sorted(pieces, key=lambda piece: piece.partition("=")[0]))


def _name(parameter: str) -> str:
    return parameter.partition("=")[0].lower()
