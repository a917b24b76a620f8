"""Model names: `model:NAME@ALIAS`, `model:NAME@3`, resolved from the journal to a checkpoint in the lake."""

import difflib
import re
from dataclasses import dataclass

from resources.artifact import Artifact
from resources.errors import LakeError, SpecError
from resources.journal import journals
from resources.lake import Lake

_REFERENCE = re.compile(r"model:(?P<name>[^@]+)@(?P<which>\w+)")


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model, and the checkpoint that it is."""

    name: str
    version: int
    checkpoint: Artifact


def find_model(lake: Lake, reference: str) -> RegisteredModel:
    """The model that `model:NAME@ALIAS` or `model:NAME@VERSION` names.

    Raises:
        SpecError: if the reference is not written so, or there is no such name, alias or version.
        LakeError: if its checkpoint was collected.
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise SpecError(
            f"{reference!r} names no model; write model:NAME@champion, model:NAME@challenger or model:NAME@3"
        )
    known = {journal.model: journal for journal in journals(lake.store)}
    if parts["name"] not in known:
        near = difflib.get_close_matches(parts["name"], known, n=1, cutoff=0.0)
        hint = f"; did you mean {near[0]!r}?" if near else "; nothing is registered yet: `tidemill run` does that"
        raise SpecError(f"{reference}: there is no registered model {parts['name']!r}{hint}")
    state = known[parts["name"]].read()
    versions = {str(version): fingerprint for fingerprint, version in state.versions.items()}
    versions.update({alias: entry.fingerprint for alias, entry in state.aliases.items()})
    fingerprint = versions.get(parts["which"])
    if fingerprint is None:
        raise SpecError(f"{reference}: {parts['name']} has no {parts['which']!r}; it has {', '.join(versions)}")
    checkpoint = lake.get(fingerprint)
    if checkpoint is None:
        raise LakeError(
            f"{reference}: its checkpoint {fingerprint} is not in the lake any more; run its snapshot again"
        )
    return RegisteredModel(parts["name"], state.versions[fingerprint], lake.local(checkpoint))
