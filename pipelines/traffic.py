"""Questions to replay against a server: in-domain ones, and shifted ones about the text of another subject."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.crawl.web.config import WebConfig
from assets.crawl.web.drafts import Draft, dotted, outline
from assets.crawl.web.packages import find_package
from assets.documents import Document, document_id, read_documents
from assets.questions import questions
from assets.split import domain_of, host_of
from resources.errors import InputError, SpecError
from resources.lake import Lake
from resources.registry import find_model

POOL = 2_000
APART = 1_000_000  # traffic draws with other seeds than a reference, or it would ask the reference's own questions


@dataclass(frozen=True)
class Pools:
    """Questions of both kinds, each drawn independently, so that any part of a pool is a sample of its kind."""

    in_domain: Sequence[str]
    shifted: Sequence[str]

    def draw(self, count: int, shift: float, seed: int) -> Iterator[str]:
        """`count` questions, each a shifted one with probability `shift`."""
        chance = random.Random(f"traffic {seed}")
        for _ in range(count):
            yield chance.choice(self.shifted if chance.random() < shift else self.in_domain)


def pools(lake: Lake, model: str, subjects: Sequence[str], seed: int, size: int = POOL) -> Pools:
    """The pools for the champion of a model's name; `subjects` are packages, as the loopback web names them.

    Raises:
        SpecError: if there is no champion yet, or a subject is not installed or is among the held-out documents.
        InputError: if a pool would be empty.
    """
    corpora = reference_corpora(lake, model)
    held_hosts = {domain_of(host_of(document.url)) for document in held_out(corpora)}
    others = [document for subject in subjects for document in package_documents(subject)]
    known = sorted({host_of(document.url) for document in others} & held_hosts)
    if known:
        raise SpecError(f"--subject: the champion's held-out documents are about {known[0]} too; name another package")
    in_domain = [question.text for question in questions(held_out(corpora), APART + seed, size)]
    shifted = [question.text for question in questions(others, APART + seed, size)]
    for name, pool in (("held-out documents", in_domain), (", ".join(subjects), shifted)):
        if not pool:
            raise InputError(f"{name}: nothing there has a heading and a sentence that one could ask about")
    return Pools(in_domain, shifted)


def held_out(corpora: Sequence[Path]) -> Iterator[Document]:
    """The held-out documents of several corpora, streamed."""
    return (document for folder in corpora for document in read_documents(folder) if document.split == "held_out")


def reference_corpora(lake: Lake, model: str) -> list[Path]:
    """The corpora whose held-out documents the reference of the present champion asks about.

    Raises:
        SpecError: if the model has no champion, or it has no reference.
    """
    champion = find_model(lake, f"model:{model}@champion").checkpoint.fingerprint
    made_for = [artifact for artifact in lake.artifacts("reference") if champion in artifact.parents]
    if not made_for:
        raise SpecError(f"model:{model}@champion has no reference of what it is asked; `tidemill run` makes one")
    newest = max(made_for, key=lake.age_key)
    parents = [lake.get(fingerprint) for fingerprint in newest.parents]
    return [lake.local(parent).path for parent in parents if parent is not None and parent.stage == "quality_filtered"]


def package_documents(reference: str) -> list[Document]:
    """What an installed package documents, a page each, as text with headings: real text, nothing is imported.

    Raises:
        SpecError: if the package is not installed.
    """
    package = find_package(reference, [reference])
    return [_document(package.host, draft) for draft in outline(package, WebConfig()).drafts]


def _document(host: str, draft: Draft) -> Document:
    url = f"http://{host}/{draft.name}"
    text = "\n\n".join(f"# {dotted(item)}{item.signature}\n\n{item.docstring}" for item in draft.sections)
    return Document(id=document_id(url, ""), url=url, text=text, snapshot="", title=draft.name)
