"""Weeks in which no page changed: every stage passes, and training goes on with what there was before."""

from functools import partial

import pytest

from assets.stage import Lineage
from assets.training import Feed
from pipelines.lineage import lineage_of
from pipelines.spec import load
from pipelines.trace import trace_page
from resources.artifact import Recipe
from resources.journal import Journal
from resources.lake import Lake
from tests.contract.conftest import SETTINGS, SNAPSHOTS, World, crawl, pages

WEEKS = (*SNAPSHOTS, "2026-01-19")
TRAIN = "{steps: 2, sequences: 2, length: 64, warmup_steps: 0, precision: fp32, threads: 1}"
SMALL = (
    f"calendar.snapshots={list(WEEKS)}",
    f"crawl.source.editions={{'{WEEKS[0]}': 1, '{WEEKS[1]}': 2, '{WEEKS[2]}': 2}}",
    "pretrain.model={hidden_size: 16, layers: 1, heads: 1, max_positions: 128}",
    f"pretrain.train={TRAIN}",
    "pretrain.continued_steps=2",
    f"finetune.train={TRAIN}",
    f"lora.train={TRAIN}",
    "evaluate.tokens=1000",
    "evaluate.completion_items=0",
    "evaluate.sample_prompts=0",
    "monitor.reference_requests=50",
)
NO_ANSWER_FITS = ("chat.min_answer_characters=100000", "chat.max_answer_characters=100000")


def run(lineage: Lineage, lake: Lake) -> World:
    """Every stage of every snapshot, all of the same pages; each candidate is promoted."""
    world = World(lineage, lake)
    journal = Journal(lake.store, lineage.model)
    for week in WEEKS:
        recipe = Recipe("raw_crawl", week, {"source": "the same every week"}, kind="observed")
        world.known["raw_crawl", week], _ = lake.build(recipe, partial(crawl, edition=WEEKS[0]))
        for stage in lineage.stages[1:]:
            made = lineage.carried_over(stage, week, world.known) or world.make(stage, week, lake)[0]
            world.known[stage.name, week] = made
            stage.exhibit(made)
            if stage.registers:
                journal.register(made)
        candidate, verdict = (world.known[name, week] for name in ("pretrained_checkpoint", "promotion"))
        journal.decide("promoted", candidate, verdict, "for the test")
    return world


@pytest.mark.slow
@pytest.mark.parametrize("settings", [(), NO_ANSWER_FITS], ids=["pairs", "no pairs at all"])
def test_weeks_without_a_new_page_pass_through_the_whole_graph(settings, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "quiet"  # what the pairs do not change is made once
    spec = load("smoke", (*SETTINGS, *SMALL, *settings), environment={}).spec
    world = run(lineage_of(spec), Lake(root / "lake", root))
    first, known = WEEKS[0], world.known
    assert known["quality_filtered", first].stats["kept"]
    for week in WEEKS[1:]:
        assert known["quality_filtered", week].stats["kept"] == 0
        pretrained = known["pretrained_checkpoint", week]
        assert pretrained.stats["steps"] == 2
        assert [source.artifact for source in Feed.read(pretrained.path).sources] == [
            known["token_shards", first].fingerprint
        ]
        for name in ("finetuned", "lora_finetuned"):
            checkpoint = known[name, week]
            sources = [source.artifact for source in Feed.read(checkpoint.path).sources]
            assert sources == ([] if settings else [known["chat_pairs", first].fingerprint])
            weights = [(artifact.path / "model.safetensors").read_bytes() for artifact in (checkpoint, pretrained)]
            assert (weights[0] == weights[1]) == bool(settings)
            assert ("no snapshot so far has" in checkpoint.stats.get("unchanged", "")) == bool(settings)
    url, _ = next(pages(first))
    trained = {found["checkpoint"]["stage"] for found in trace_page(known, world.lake, url)["steps"]}
    assert not settings or trained <= {"pretrained_checkpoint"}
