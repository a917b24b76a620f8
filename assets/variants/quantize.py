"""The quantized variant: integer weights, and what that costs in fidelity."""

import dataclasses
from pathlib import Path

import torch

from assets.training import TOKENIZER_FILES, WEIGHT_FILES, copy_files
from assets.variants.config import QuantizeConfig
from llm_core.compress.fidelity import measure_fidelity
from llm_core.compress.int8 import quantize_int8
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model, save_model
from resources.build import Build, Outcome

STAT_DIGITS = 6


def quantize(build: Build, config: QuantizeConfig, *, parent: Path, shards: Path) -> Outcome:
    """Round the weights of `parent` to eight bits, row by row, and compare both on held-out tokens."""
    model = load_model(parent)
    variant = quantize_int8(model, config.scheme)
    output = build.scratch / "output"
    output.mkdir(exist_ok=True)
    save_model(variant, output)
    copy_files(build, output, WEIGHT_FILES)
    copy_files(build, parent, TOKENIZER_FILES)
    tokens = _held_out_rows(shards, config.measure_tokens, model.config.max_positions)
    fidelity = measure_fidelity(model, variant, tokens) if tokens is not None else None
    stats = (
        {name: round(value, STAT_DIGITS) for name, value in dataclasses.asdict(fidelity).items()} if fidelity else {}
    )
    return Outcome({"method": "int8", **stats})


def _held_out_rows(folder: Path, count: int, longest: int) -> torch.Tensor | None:
    """Held-out (or, where there are none, training) tokens as rows, (rows, length)."""
    for name in ("held_out", "train"):
        shards = Shards(folder / name)
        length = min(256, longest, shards.tokens)
        rows = min(count, shards.tokens) // length if length else 0
        if rows:
            return torch.from_numpy(shards.read(0, rows * length)).view(rows, length)
    return None
