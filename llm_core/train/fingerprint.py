"""What a run is made from, as one digest: a checkpoint of another run must never be taken for this one's."""

import hashlib
import json
from dataclasses import asdict

import torch
from torch import nn

from llm_core.feed.order import Source
from llm_core.feed.shards import INDEX, Shards
from llm_core.model.config import ModelConfig
from llm_core.train.config import RunConfig

WITHOUT_EFFECT = ("keep_last",)
"""Fields of the recipe that change no weight."""


def run_fingerprint(config: RunConfig, model: ModelConfig, sources: list[Source], parent: nn.Module | None) -> str:
    """Digest the recipe, the model's shape, the shards' documents and the parent's weights.

    Left out: paths and the number of processes, which may differ on another machine, and the declared skip-list, for
    which ``resume`` has a finer rule.
    """
    recipe = {name: value for name, value in asdict(config.train).items() if name not in WITHOUT_EFFECT}
    parts = {
        "train": recipe,
        "model": asdict(model),
        "data": [[_shards_digest(source.shards), source.weight] for source in sources],
        "validation": None if config.validation is None else _shards_digest(Shards(config.validation)),
        "parent": None if parent is None else _weights_digest(parent),
    }
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _shards_digest(shards: Shards) -> str:
    digest = hashlib.blake2b((shards.folder / INDEX).read_bytes(), digest_size=16)
    for entry in shards.entries:
        digest.update((shards.folder / f"{entry.name}.spans.npy").read_bytes())
    return digest.hexdigest()


def _weights_digest(model: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
