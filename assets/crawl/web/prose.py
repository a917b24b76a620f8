"""Docstrings as HTML: paragraphs, code, lists and the parameter sections of numpy's and Google's styles."""

import re
from collections.abc import Callable, Iterator
from html import escape

Resolve = Callable[[str], str | None]

_UNDERLINE = re.compile(r"^([=\-~^*\"#+.])\1{2,}\s*$")
_GOOGLE = re.compile(
    r"^(Args|Arguments|Parameters|Returns?|Yields?|Raises|Examples?|Notes?|Attributes|See Also|References|Warnings?"
    r"|Keyword Args|Shape|Inputs?|Outputs?):\s*$",
    re.IGNORECASE,
)
_FIELDS = re.compile(
    r"^[:@](param|parameter|arg|type|returns?|rtype|raises?|ivar|keyword|var)\b([^:]*):\s*(.*)$", re.DOTALL
)
_DIRECTIVE = re.compile(r"^\.\. +([a-z:-]+):: *(.*)$", re.DOTALL)
_MARKED = re.compile(r"\.\. +version(added|changed)::")
_UNINDENTED = re.compile(r"\S")
_BULLET = re.compile(r"^(?:[-*•]|\(?[0-9]{1,2}[.)]) +")
_ITEM = re.compile(r"^(`{0,2}\*{0,2}[\w.]+`{0,2}(?:\s*\([^)]*\)|,\s*\*{0,2}[\w.]+)*)\s*:\s+(\S.*)$", re.DOTALL)
_PARAMETERS = frozenset({"parameters", "args", "arguments", "returns", "return", "yields", "raises", "attributes"}) | {
    "other parameters", "keyword args", "warns", "receives", "methods", "shape", "inputs", "input", "outputs", "output",
}  # fmt: skip
_INLINE = re.compile(
    r"``(?P<code>[^`]+)``|:[a-z:]+:`[~!]?(?:(?P<label>[^`<]*?)\s*<(?P<target>[^`>]+)>|(?P<role>[^`]+))`"
    r"|`(?P<tick>[^`]+)`_{0,2}|\*\*(?P<strong>[^*\s][^*]*)\*\*|(?<![\w*])\*(?P<emphasis>[^*\s][^*]*)\*(?![\w*])"
)


def to_html(text: str, resolve: Resolve, *, heading: int = 2, has_tables: bool = False) -> str:
    """Render a docstring; section titles become headings of the level, parameters a list or a table.

    `resolve` gives the address of a documented name, or None where it has no page. Text that is
    not recognised as anything else is a paragraph, so nothing is lost.
    """
    out: list[str] = []
    section, is_literal = "", False
    for block in _blocks(text):
        first, indent, title, lines = block[0].strip(), _indent(block[0]), "", block
        if is_literal and indent:
            out.append(_code(block))
            continue
        is_literal = False
        if len(block) > 1 and _UNDERLINE.match(block[1].strip()) and not indent:
            title, lines = first, block[2:]
        elif _GOOGLE.match(first):
            title, lines = first.rstrip(":"), block[1:]
        elif match := _DIRECTIVE.match("\n".join(block)):
            out.append(_directive(match[1], match[2], resolve))
            is_literal = match[1] in ("code-block", "code", "sourcecode", "plot", "ipython") and "\n" not in match[2]
            continue
        else:
            is_literal = block[-1].rstrip().endswith("::")
        if title:
            section = title.lower()
            out.append(f"<h{heading}>{escape(title)}</h{heading}>")
        if lines:
            belongs = title or indent or section in _PARAMETERS
            out.append(_body(_dedent(lines), section if belongs else "", resolve, has_tables))
    return "\n".join(out)


def first_paragraph(text: str) -> str:
    """A docstring's summary as plain words in one line."""
    words = " ".join(" ".join(next(_blocks(text), [])).split())
    return _INLINE.sub(lambda match: match[match.lastgroup or 0], words)


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank lines; a section's title starts a block even without one."""
    block: list[str] = []
    lines = [line.rstrip() for line in text.expandtabs().split("\n")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if block and (not line or _UNDERLINE.match(following.strip()) or _GOOGLE.match(line.strip())):
            yield block
            block = []
        if line:
            block.append(line)
    if block:
        yield block


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _dedent(lines: list[str]) -> list[str]:
    margin = min((_indent(line) for line in lines), default=0)
    return [line[margin:] for line in lines]


def _code(lines: list[str]) -> str:
    return f"<pre><code>{escape(chr(10).join(_dedent(lines)))}</code></pre>" if lines else ""


def _body(lines: list[str], section: str, resolve: Resolve, has_tables: bool) -> str:
    if lines[0].startswith((">>>", "```")):
        return _code([line for line in lines if not line.startswith("```")])
    if entries := _fields(lines) or (_entries(lines) if section in _PARAMETERS else []):
        return _definitions(entries, resolve, has_tables)
    if _BULLET.match(lines[0]):
        items = [inline(_BULLET.sub("", item), resolve) for item in _runs(lines, _BULLET)]
        return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
    if len(lines) > 2 and all(len(line) > 3 and not re.search(r"\w", line) for line in (lines[0], lines[-1])):
        return _code(lines)  # a table drawn with rules
    return f"<p>{inline(re.sub('::$', ':', chr(10).join(lines)), resolve)}</p>"


def _runs(lines: list[str], start: re.Pattern[str]) -> list[str]:
    """The lines, joined so that each text but perhaps the first begins where `start` matches."""
    runs: list[list[str]] = []
    for line in lines:
        if start.match(line) or not runs:
            runs.append([])
        runs[-1].append(line.strip())
    return ["\n".join(run) for run in runs]


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    """`:param x: …` lists: (name, description)."""
    matches = [_FIELDS.match(run) for run in _runs(lines, _FIELDS)]
    return [(match[2].strip() or match[1], match[3]) for match in matches if match] if all(matches) else []


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    """Entries of a parameter section: "name : type" over an indented text, or "name (type): text"."""
    runs = _runs(lines, _UNINDENTED)
    matches = [_ITEM.match(run) for run in runs]
    named = [(match[1], match[2]) if match else ("", run) for match, run in zip(matches, runs, strict=True)]
    if all(matches) and any("\n" not in run for run in runs):
        return named
    if all("\n" in run or " : " in run for run in runs):
        return [(head, text) for head, _, text in (run.partition("\n") for run in runs)]
    return named if sum(map(bool, matches)) * 2 >= len(runs) else []


def _definitions(entries: list[tuple[str, str]], resolve: Resolve, has_tables: bool) -> str:
    rows = [(inline(head, resolve), inline(_MARKED.sub(r"Version \1:", text), resolve)) for head, text in entries]
    if has_tables:
        return "<table border=1>" + "".join(f"<tr><td><b>{a}</b></td><td>{b}</td></tr>" for a, b in rows) + "</table>"
    return "<dl>" + "".join(f"<dt>{a}</dt><dd>{b}</dd>" for a, b in rows) + "</dl>"


def _directive(name: str, text: str, resolve: Resolve) -> str:
    words, label = inline(text, resolve), name.replace("version", "version ")
    if name in ("note", "warning", "deprecated", "versionadded", "versionchanged", "seealso", "tip", "important"):
        return f'<div class="admonition {name}"><p><strong>{escape(label.title())}:</strong> {words}</p></div>'
    return f"<p>{words}</p>" if text.strip() else ""


def inline(text: str, resolve: Resolve) -> str:
    """One run of text: code, emphasis and references marked, references to documented names linked."""
    out, end = [], 0
    for match in _INLINE.finditer(text):
        out += [escape(text[end : match.start()], quote=False), _marked(match, resolve)]
        end = match.end()
    return "".join([*out, escape(text[end:], quote=False)])


def _marked(match: re.Match[str], resolve: Resolve) -> str:
    for group, tag in (("strong", "strong"), ("emphasis", "em")):
        if match[group] is not None:
            return f"<{tag}>{escape(match[group], quote=False)}</{tag}>"
    name = match["target"] or match["role"] or match["tick"] or match["code"]
    shown = f"<code>{escape(match['label'] or name, quote=False)}</code>"
    address = None if match["code"] else resolve(name.strip().rstrip("()"))
    return f'<a href="{escape(address)}">{shown}</a>' if address else shown
