"""The variants as stages of the lineage: chat pairs, two fine-tunings, one quantized model."""

from assets.accounting import accounting_closes
from assets.exhibits import training_exhibits
from assets.stage import Inputs, Stage, Take
from assets.variants.chat_config import ChatConfig
from assets.variants.config import FinetuneConfig, LoraConfig, QuantizeConfig
from resources.build import Build, Outcome

PAIRS_VERSION = 1
FINETUNE_VERSION = 1
LORA_VERSION = 1
QUANTIZE_VERSION = 1
PARENT = "pretrained_checkpoint"


def chat_pairs(config: ChatConfig) -> Stage:
    """Questions about documented objects, answered in the documents' own words."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.variants.chat_pairs import make_chat_pairs

        return make_chat_pairs(build, config, inputs.one("quality_filtered").path, inputs.one("tokenizer").path)

    return Stage(
        name="chat_pairs",
        group="variants",
        description="Questions about documented objects, answered in the documents' own words, with their ids.",
        version=PAIRS_VERSION,
        config=config,
        inputs={"quality_filtered": Take.SAME, "tokenizer": Take.SAME},
        run=run,
        engines=("tokenizers",),
        kinds=("jsonl", "numpy"),
        checks=accounting_closes("quality_filtered"),
    )


def finetuned(config: FinetuneConfig) -> Stage:
    """The pretrained checkpoint, fine-tuned on chat pairs made from the documents."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.variants.finetune import finetune

        pairs = [artifact.path for artifact in inputs.all("chat_pairs")]
        return finetune(build, config, parent=inputs.one(PARENT).path, pairs=pairs)

    return Stage(
        name="finetuned",
        group="variants",
        description="The pretrained checkpoint, fine-tuned on the chat pairs of all snapshots so far.",
        version=FINETUNE_VERSION,
        config=config,
        inputs={PARENT: Take.SAME, "chat_pairs": Take.UP_TO},
        run=run,
        kinds=("pytorch", "safetensors"),
        registers=True,
        exhibit=training_exhibits,
    )


def lora_finetuned(config: LoraConfig) -> Stage:
    """The same fine-tuning by adapters; kept beside the merged model."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.variants.finetune import finetune_adapters

        pairs = [artifact.path for artifact in inputs.all("chat_pairs")]
        return finetune_adapters(build, config, parent=inputs.one(PARENT).path, pairs=pairs)

    return Stage(
        name="lora_finetuned",
        group="variants",
        description="The same fine-tuning by low-rank adapters: the adapter, and the model with it merged in.",
        version=LORA_VERSION,
        config=config,
        inputs={PARENT: Take.SAME, "chat_pairs": Take.UP_TO},
        run=run,
        engines=("peft",),
        kinds=("pytorch", "peft"),
        registers=True,
        exhibit=training_exhibits,
    )


def quantized(config: QuantizeConfig) -> Stage:
    """The pretrained checkpoint with eight-bit weights."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.variants.quantize import quantize

        return quantize(build, config, parent=inputs.one(PARENT).path, shards=inputs.one("token_shards").path)

    return Stage(
        name="quantized",
        group="variants",
        description="The pretrained checkpoint with eight-bit integer weights, and how far its answers moved.",
        version=QUANTIZE_VERSION,
        config=config,
        inputs={PARENT: Take.SAME, "token_shards": Take.SAME},
        run=run,
        kinds=("pytorch", "safetensors"),
        registers=True,
    )
