"""Tokens as stages of the lineage: the tokenizer, and the shards that training reads."""

from assets.accounting import accounting_closes
from assets.config import Config
from assets.stage import Inputs, Stage, Take
from assets.tokens.config import TokenizerConfig
from resources.build import Build, Outcome

TOKENIZER_VERSION = 1
SHARDS_VERSION = 2


def tokenizer(config: TokenizerConfig) -> Stage:
    """A byte-level BPE vocabulary, made from the first snapshot; later ones do not change it."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.tokens.tokenizer import train_tokenizer

        return train_tokenizer(build, config, inputs.one("quality_filtered").path)

    return Stage(
        name="tokenizer",
        group="tokens",
        description="A byte-level BPE vocabulary and chat template, made from the first snapshot and then kept.",
        version=TOKENIZER_VERSION,
        config=config,
        inputs={"quality_filtered": Take.SAME},
        run=run,
        engines=("tokenizers",),
        kinds=("tokenizers",),
        made_once=True,
    )


def token_shards() -> Stage:
    """The snapshot's documents as token ids, with the span of each document."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.tokens.shards import write_shards

        return write_shards(build, inputs.one("quality_filtered").path, inputs.one("tokenizer").path)

    return Stage(
        name="token_shards",
        group="tokens",
        description="The snapshot's documents as flat files of token ids, with the span of each document.",
        version=SHARDS_VERSION,
        config=Config(),
        inputs={"quality_filtered": Take.SAME, "tokenizer": Take.SAME},
        run=run,
        engines=("tokenizers",),
        kinds=("numpy",),
        checks=accounting_closes("quality_filtered"),
    )
