"""The lineage of a spec: its stages in the order data flows."""

from pathlib import Path

from assets.clean.asset import cleaned
from assets.crawl.asset import raw_crawl
from assets.dedup.asset import deduped
from assets.evaluate.asset import eval_report, promotion
from assets.extract.asset import extracted
from assets.monitor.asset import drift_report, reference, request_log
from assets.monitor.windows import closed_windows
from assets.pretrain.asset import pretrained_checkpoint
from assets.quality.asset import quality_filtered, quality_model
from assets.stage import Lineage
from assets.tokens.asset import token_shards, tokenizer
from assets.variants.asset import chat_pairs, finetuned, lora_finetuned, quantized
from pipelines.spec import Spec


def lineage_of(spec: Spec) -> Lineage:
    """The stages of a spec over its snapshots."""
    return Lineage(
        profile=spec.profile,
        model=spec.model_name,
        snapshots=spec.calendar.dates(),
        stages=(
            raw_crawl(spec.crawl),
            extracted(spec.extract),
            deduped(spec.dedup),
            cleaned(spec.clean),
            quality_model(spec.quality),
            quality_filtered(spec.quality),
            tokenizer(spec.tokenizer),
            token_shards(),
            pretrained_checkpoint(spec.pretrain),
            chat_pairs(spec.chat),
            finetuned(spec.finetune),
            lora_finetuned(spec.lora),
            quantized(spec.quantize),
            eval_report(spec.evaluate),
            promotion(spec.gate),
            reference(spec.monitor, spec.evaluate.candidate),
        ),
    )


def monitoring_of(spec: Spec, requests: Path) -> Lineage:
    """The stages of a model's request log (a folder), over its closed windows, oldest first."""
    return Lineage(
        profile=spec.profile,
        model=spec.model_name,
        snapshots=tuple(window.stem for window in closed_windows(requests)),
        stages=(request_log(spec.monitor, requests), drift_report(spec.monitor)),
    )
