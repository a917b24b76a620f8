"""The quantized variant: integer weights, and what that costs in fidelity."""

from dataclasses import asdict
from pathlib import Path

import torch

from assets.training import TOKENIZER_FILES, WEIGHT_FILES, copy_files
from assets.variants.config import QuantizeConfig
from llm_core.compress.fidelity import measure_fidelity
from llm_core.compress.int8 import quantize_int8
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model, save_model
from resources.build import Build, Outcome

ROW_TOKENS = 256
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
    held_out = Shards(shards / "held_out")
    length = min(ROW_TOKENS, model.config.max_positions)
    rows = min(config.measure_tokens, held_out.tokens) // length
    if not rows:
        return Outcome({"method": "int8"})
    fidelity = measure_fidelity(model, variant, torch.from_numpy(held_out.read(0, rows * length)).view(rows, length))
    return Outcome({"method": "int8", **{name: round(v, STAT_DIGITS) for name, v in asdict(fidelity).items()}})
