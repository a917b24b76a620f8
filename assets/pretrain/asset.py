"""The pretrained checkpoint as a stage of the lineage."""

from assets.champion import champion_before_snapshot
from assets.exhibits import training_exhibits
from assets.pretrain.config import PretrainConfig
from assets.stage import Inputs, Stage, Take
from resources.build import Build, Outcome

VERSION = 1


def pretrained_checkpoint(config: PretrainConfig) -> Stage:
    """A decoder trained on the snapshot's tokens, from scratch or from the champion."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.pretrain.pretrain import pretrain

        *earlier, new = inputs.all("token_shards")
        champion = inputs.champion()
        return pretrain(
            build,
            config,
            new=new.path,
            earlier=[artifact.path for artifact in earlier],
            tokenizer=inputs.one("tokenizer").path,
            champion=champion.path if champion else None,
        )

    return Stage(
        name="pretrained_checkpoint",
        group="model",
        description="A decoder trained on the snapshot's tokens: from scratch, then from the champion.",
        version=VERSION,
        config=config,
        inputs={"token_shards": Take.UP_TO, "tokenizer": Take.SAME},
        look_up=champion_before_snapshot,
        run=run,
        kinds=("pytorch", "safetensors"),
        registers=True,
        exhibit=training_exhibits,
    )
