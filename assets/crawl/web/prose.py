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
    section = ""
    blocks = list(_blocks(text))
    is_literal = False
    for index, lines in enumerate(blocks):
        first, indent = lines[0].strip(), _indent(lines[0])
        if is_literal and indent:
            out.append(_code(lines))
            is_literal = index + 1 < len(blocks) and _indent(blocks[index + 1][0]) > 0
            continue
        is_literal = False
        if len(lines) > 1 and _UNDERLINE.match(lines[1].strip()) and not indent:
            section = first.lower()
            out.append(f"<h{heading}>{escape(first)}</h{heading}>")
            out += _body(lines[2:], section, resolve, has_tables)
        elif _GOOGLE.match(first):
            section = first.rstrip(":").lower()
            out.append(f"<h{heading}>{escape(first.rstrip(':'))}</h{heading}>")
            out += _body(_dedent(lines[1:]), section, resolve, has_tables)
        elif match := _DIRECTIVE.match("\n".join(lines)):
            out.append(_directive(match[1], match[2], resolve))
            is_literal = match[1] in ("code-block", "code", "sourcecode", "plot", "ipython") and "\n" not in match[2]
        else:
            is_literal = lines[-1].rstrip().endswith("::")
            out += _body(lines, section if indent or section in _PARAMETERS else "", resolve, has_tables)
    return "\n".join(out)


def first_paragraph(text: str) -> str:
    """A docstring's summary as plain words in one line."""
    words = " ".join(next((" ".join(block) for block in _blocks(text)), "").split())
    return _INLINE.sub(lambda match: match[match.lastgroup or 0], words)


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank lines; a section's title starts a block even without one."""
    block: list[str] = []
    lines = text.expandtabs().split("\n")
    for number, line in enumerate(lines):
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if block and (
            not line.strip() or (line.strip() and _UNDERLINE.match(following)) or _GOOGLE.match(line.strip())
        ):
            yield block
            block = []
        if line.strip():
            block.append(line.rstrip())
    if block:
        yield block


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _dedent(lines: list[str]) -> list[str]:
    margin = min((_indent(line) for line in lines), default=0)
    return [line[margin:] for line in lines]


def _code(lines: list[str]) -> str:
    return f"<pre><code>{escape(chr(10).join(_dedent(lines)))}</code></pre>" if lines else ""


def _body(lines: list[str], section: str, resolve: Resolve, has_tables: bool) -> list[str]:
    if not lines:
        return []
    lines = _dedent(lines)
    if lines[0].startswith((">>>", "```")):
        return [_code([line for line in lines if not line.startswith("```")])]
    if fields := _fields(lines):
        return [_definitions(fields, resolve, has_tables)]
    if section in _PARAMETERS and (entries := _entries(lines)):
        return [_definitions(entries, resolve, has_tables)]
    if _BULLET.match(lines[0]):
        items = [_BULLET.sub("", item) for item in _runs(lines, lambda line: _BULLET.match(line) is not None)]
        return ["<ul>" + "".join(f"<li>{inline(item, resolve)}</li>" for item in items) + "</ul>"]
    if len(lines) > 2 and all(_looks_drawn(line) for line in (lines[0], lines[-1])):
        return [_code(lines)]
    text = "\n".join(lines)
    return [f"<p>{inline(text[:-1] if text.endswith('::') else text, resolve)}</p>"]


def _looks_drawn(line: str) -> bool:
    return len(line) > 3 and not re.search(r"\w", line)


def _runs(lines: list[str], starts: Callable[[str], bool]) -> list[str]:
    runs: list[list[str]] = []
    for line in lines:
        if starts(line) or not runs:
            runs.append([])
        runs[-1].append(line.strip())
    return ["\n".join(run) for run in runs]


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    """`:param x: …` lists: (name, description)."""
    runs = _runs(lines, lambda line: _FIELDS.match(line) is not None)
    matches = [_FIELDS.match(run) for run in runs]
    if not all(matches):
        return []
    return [((match[2].strip() or match[1]), match[3]) for match in matches if match]


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    """Entries of a parameter section: "name : type" over an indented text, or "name (type): text"."""
    runs = _runs(lines, lambda line: _indent(line) == 0)
    matches = [_ITEM.match(run) for run in runs]
    if any("\n" not in run for run in runs) and all(matches):
        return [(match[1], match[2]) for match in matches if match]
    if all("\n" in run or " : " in run for run in runs):
        return [(head, text) for head, _, text in (run.partition("\n") for run in runs)]
    if sum(match is not None for match in matches) * 2 >= len(runs):
        return [(match[1], match[2]) if match else ("", run) for match, run in zip(matches, runs, strict=True)]
    return []


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
        out.append(escape(text[end : match.start()], quote=False))
        out.append(_marked(match, resolve))
        end = match.end()
    out.append(escape(text[end:], quote=False))
    return "".join(out)


def _marked(match: re.Match[str], resolve: Resolve) -> str:
    groups = match.groupdict()
    if groups["strong"] is not None:
        return f"<strong>{escape(groups['strong'], quote=False)}</strong>"
    if groups["emphasis"] is not None:
        return f"<em>{escape(groups['emphasis'], quote=False)}</em>"
    name = groups["target"] or groups["role"] or groups["tick"] or groups["code"]
    shown = f"<code>{escape(groups['label'] or name, quote=False)}</code>"
    address = None if groups["code"] else resolve(name.strip().rstrip("()"))
    return f'<a href="{escape(address)}">{shown}</a>' if address else shown
