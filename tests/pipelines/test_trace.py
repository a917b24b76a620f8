"""Trace: a page's fate by URL or id, the documents of a step, and all that a model was made from."""

from collections import Counter
from dataclasses import replace

import pytest

from assets.documents import document_id, read_documents, read_dropped
from assets.pretrain.asset import pretrained_checkpoint
from assets.pretrain.config import PretrainConfig
from assets.stage import Inputs
from llm_core.feed.order import Order, Source
from llm_core.feed.shards import Shards
from llm_core.model.config import ModelConfig
from llm_core.train.config import TrainConfig
from pipelines.trace import ancestry, describe, trace_model, trace_page, trace_step
from resources.errors import InputError
from tests.contract.conftest import SNAPSHOTS, World, pages, world  # noqa: F401  (a fixture)

FUNNEL = ("extracted", "deduped", "cleaned", "quality_filtered")
STEPS, SKIPPED = 6, (2, 3)


@pytest.fixture
def masked(world: World) -> str:  # noqa: F811
    """A document that the first step would read."""
    shards = Shards(world.known["token_shards", SNAPSHOTS[0]].path / "train")
    return Order([Source(shards)], length=64, sequences=2, seed=5).documents_in_step(0)[0]


@pytest.fixture
def checkpoint(world: World, masked: str, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """A checkpoint whose training masked a document, and once found its loss wrong and went back."""
    trouble = ["loss spike"]

    def wrong_once(loss, gradient_norm, earlier, **rule):
        return trouble.pop() if len(earlier) == SKIPPED[1] and trouble else None

    monkeypatch.setattr("llm_core.train.loop.what_is_wrong", wrong_once)
    config = PretrainConfig(
        launch="in_process",
        model=ModelConfig(hidden_size=16, layers=1, heads=1, max_positions=64),
        train=TrainConfig(steps=STEPS, sequences=2, length=64, seed=5, precision="fp32", threads=1),
        skip_documents=(masked,),
    )
    given = {name: [world.known[name, SNAPSHOTS[0]]] for name in ("token_shards", "tokenizer")}
    inputs, stage = Inputs({**given, "champion": []}), pretrained_checkpoint(config)
    return world.lake.build(stage.recipe(SNAPSHOTS[0], inputs), lambda build: stage.run(build, inputs))[0]


def test_every_page_of_the_crawl_has_one_end_and_the_funnel_agrees(world):  # noqa: F811
    for snapshot in SNAPSHOTS:
        dropped: Counter[str] = Counter()
        kept = 0
        for url in dict(pages(snapshot)):
            fates = [fate for fate in trace_page(world.known, world.lake, url)["fate"] if fate["snapshot"] == snapshot]
            assert [fate["outcome"] for fate in fates[:-1]] == ["kept"] * (len(fates) - 1)
            last = fates[-1]
            if last["outcome"] == "dropped":
                dropped[f"{last['stage']} {last['reason']}"] += 1
            else:
                assert last["stage"] == "quality_filtered"
                kept += 1
        manifests = {stage: world.known[stage, snapshot].stats for stage in FUNNEL}
        said = {f"{stage} {reason}": n for stage, stats in manifests.items() for reason, n in stats["dropped"].items()}
        assert dict(dropped) == said
        assert kept == manifests["quality_filtered"]["kept"]


def test_an_id_is_as_good_as_a_url(world):  # noqa: F811
    url, _ = next(pages(SNAPSHOTS[0]))
    by_url = trace_page(world.known, world.lake, url)
    assert trace_page(world.known, world.lake, document_id(url, SNAPSHOTS[0])) == by_url
    considered = {fate["snapshot"] for fate in by_url["fate"]}
    assert by_url["documents"] == {snapshot: document_id(url, snapshot) for snapshot in considered}
    assert SNAPSHOTS[0] in considered


@pytest.mark.parametrize("target", ["http://nowhere.test/", "0" * 32, "not a url"])
def test_what_nobody_saw_is_said_to_be_unseen(world, target):  # noqa: F811
    with pytest.raises(InputError, match=f"{target}: no snapshot here has"):
        trace_page(world.known, world.lake, target)


def test_a_kept_page_has_its_tokens_on_its_side_of_the_split(world):  # noqa: F811
    folder = world.known["quality_filtered", SNAPSHOTS[0]].path
    for document in read_documents(folder):
        (span,) = trace_page(world.known, world.lake, document.url)["tokens"][SNAPSHOTS[0]]
        assert span["split"] == document.split
        assert span["tokens"] > 2
    gone = next(iter(read_dropped(folder)), None) or next(
        iter(read_dropped(world.known["extracted", SNAPSHOTS[0]].path))
    )
    assert SNAPSHOTS[0] not in trace_page(world.known, world.lake, gone.url)["tokens"]


def test_the_steps_of_a_page_and_the_pages_of_a_step_agree(world, checkpoint, masked):  # noqa: F811
    known = {**world.known, ("pretrained_checkpoint", SNAPSHOTS[0]): checkpoint}
    taken = [step for step in range(STEPS) if step not in SKIPPED]
    assert checkpoint.stats["steps"] == len(taken)
    used: dict[str, list[int]] = {}
    for step in taken:
        for row in trace_step(world.lake, checkpoint, step, known)["documents"]:
            assert row["id"] == document_id(row["url"], SNAPSHOTS[0])
            used.setdefault(row["url"], []).append(step)
    assert used
    for document in read_documents(world.known["quality_filtered", SNAPSHOTS[0]].path):
        found = trace_page(known, world.lake, document.url)["steps"]
        assert [row["steps"] for row in found] == ([used[document.url]] if document.url in used else [])
        assert document.url not in used or (document.id != masked and document.split == "train")


@pytest.mark.parametrize("step", [-1, *SKIPPED, STEPS])
def test_a_step_that_was_not_taken_is_refused_with_those_that_were(world, checkpoint, step):  # noqa: F811
    with pytest.raises(InputError, match=rf"step:{step}: .* has {STEPS} steps, from 0, and skipped \[2, 3\]"):
        trace_step(world.lake, checkpoint, step, world.known)


def test_shards_that_are_gone_are_named(world, checkpoint, tmp_path):  # noqa: F811
    from resources.lake import Lake

    elsewhere = Lake(tmp_path / "empty", tmp_path)
    with pytest.raises(
        InputError, match=r"was trained on .* which is not in the lake any more; run its snapshot again"
    ):
        trace_step(elsewhere, checkpoint, 0, {})


def test_a_model_is_followed_down_to_its_pages_each_artifact_once(world, checkpoint):  # noqa: F811
    found = trace_model(world.lake, checkpoint)
    stages = [row["stage"] for row in found["artifacts"]]
    assert stages[0] == "pretrained_checkpoint"
    assert sorted(stages) == sorted(
        ["pretrained_checkpoint", "token_shards", "tokenizer", "quality_model", "raw_crawl", *FUNNEL]
    )
    assert found["pages"] == world.known["raw_crawl", SNAPSHOTS[0]].stats["kept"]
    assert found["documents"] == world.known["quality_filtered", SNAPSHOTS[0]].stats["kept"]
    corpus = read_documents(world.known["quality_filtered", SNAPSHOTS[0]].path)
    assert found["urls"] == sorted(document.url for document in corpus)
    later = world.known["token_shards", SNAPSHOTS[1]]
    fingerprints = [artifact.fingerprint for artifact in ancestry(world.lake, later)]
    assert len(fingerprints) == len(set(fingerprints))
    assert {artifact.partition for artifact in ancestry(world.lake, later)} == set(SNAPSHOTS)


def test_a_trace_reads_as_lines(world, checkpoint):  # noqa: F811
    known = {**world.known, ("pretrained_checkpoint", SNAPSHOTS[0]): checkpoint}
    url = "http://odd.docs.test/empty"
    lines = list(describe(trace_page(known, world.lake, url)))
    assert lines[:3] == [url, f"  {SNAPSHOTS[0]} raw_crawl: kept", f"  {SNAPSHOTS[0]} extracted: dropped: empty (0)"]
    assert next(describe(trace_step(world.lake, checkpoint, 4, known))).startswith("step 4 of pretrained_checkpoint")
    assert list(describe(trace_model(world.lake, replace(checkpoint))))[-1].endswith("pages")
