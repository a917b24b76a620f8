"""The whole evaluation over tiny models: its figures, its bytes, and that a kill costs nothing twice."""

import dataclasses
import json
import math
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from assets.documents import Document, read_documents
from assets.evaluate import evaluate as module
from assets.evaluate.report import CHAMPION, SAMPLES, SCORES, UNIGRAM, Report
from assets.evaluate.scores import Scores
from assets.vocabulary import SPECIAL_TOKENS
from llm_core.compress.int8 import quantize_int8
from llm_core.compress.scheme import Int8Scheme
from llm_core.model.checkpoint import load_model, save_model
from resources.errors import BuildError, InputError
from tests.assets.evaluate.conftest import VOCABULARY

NAME = "pretrained_checkpoint"


@torch.inference_mode()
def test_bits_per_byte_are_those_of_a_plain_loop(world) -> None:
    folder, _ = world.evaluate("report")

    scores = Scores.read(folder / SCORES)
    model = load_model(world.checkpoints[NAME].path)
    texts = {document.id: document.text for document in read_documents(world.corpora[0])}
    short = [row for row, tokens in enumerate(scores.column("tokens")) if tokens < world.config.context_tokens]
    assert 0 < len(short) < scores.documents.num_rows
    for row in short:
        text = texts[scores.column("document")[row]]
        tokens = torch.tensor([0, *world.tokenizer.encode(text).ids])
        logprobs = torch.log_softmax(model(tokens[None, :-1])[0].double(), -1)
        nats = -sum(float(logprobs[place, token]) for place, token in enumerate(tokens[1:]))
        assert scores.nats[NAME][row] == pytest.approx(nats, rel=1e-5)
        assert scores.sizes[row] == len(text.encode())

    report = Report.read(folder)
    pooled = scores.nats[NAME].sum() / scores.sizes.sum() / math.log(2)
    assert report.models[NAME].overall.bits_per_byte == pytest.approx(pooled, abs=1e-6)
    assert report.models[NAME].overall.clusters == 2
    assert report.models[NAME].domains["alpha.org"].clusters == 6


def test_baselines_and_completions_stand_beside_the_models(world) -> None:
    folder, outcome = world.evaluate("report")

    report = Report.read(folder)
    assert list(report.models) == [NAME, "finetuned", UNIGRAM, "kneser_ney_5"]
    assert report.models["kneser_ney_5"].overall.bits_per_byte < report.models[UNIGRAM].overall.bits_per_byte
    assert report.chance == 0.25
    for result in report.models.values():
        assert result.completion is not None
        assert result.completion.items == 12
        assert 0 <= result.completion.low <= result.completion.accuracy <= result.completion.high <= 1
    assert outcome.stats[f"bits_per_byte_{UNIGRAM}"] == report.models[UNIGRAM].overall.bits_per_byte
    json.dumps(outcome.stats)


def test_the_champion_is_scored_on_the_same_documents_and_itself_differs_by_nothing(world) -> None:
    candidate = world.checkpoints[NAME]

    folder, _ = world.evaluate("report", champion=candidate)

    scores = Scores.read(folder / SCORES)
    np.testing.assert_array_equal(scores.nats[CHAMPION], scores.nats[NAME])
    report = Report.read(folder)
    assert report.champion is not None
    assert report.champion.fingerprint == report.candidate.fingerprint == candidate.fingerprint


def test_a_champion_with_another_tokenizer_is_read_in_its_own_tokens(world) -> None:
    """The same model under other ids: what is scored is the text, so nothing may differ."""
    ids = list(range(len(SPECIAL_TOKENS), VOCABULARY))
    order = [*range(len(SPECIAL_TOKENS)), *random.Random(0).sample(ids, len(ids))]  # new id -> old id
    told = json.loads(world.tokenizer.to_str())
    renamed = {old: new for new, old in enumerate(order)}
    told["model"]["vocab"] = {token: renamed[old] for token, old in told["model"]["vocab"].items()}
    champion = world.checkpoint("pretrained_checkpoint", 9)
    model = load_model(world.checkpoints[NAME].path)
    state = {name: value[order] if len(value) == VOCABULARY else value for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    save_model(model, champion.path)
    (champion.path / "tokenizer.json").write_text(json.dumps(told))

    scores = Scores.read(world.evaluate("report", champion=champion)[0] / SCORES)

    np.testing.assert_allclose(scores.nats[CHAMPION], scores.nats[NAME], rtol=1e-5)


def test_earlier_snapshots_judge_too(world) -> None:
    held_out = [document for document in read_documents(world.corpora[0]) if document.split == "held_out"][:2]
    world.add_snapshot([dataclasses.replace(d, id=f"{n:032x}", snapshot="2026-01-12") for n, d in enumerate(held_out)])

    folder, outcome = world.evaluate("report")

    assert outcome.stats["documents"] == 14
    assert set(Scores.read(folder / SCORES).column("snapshot")) == {"2026-01-05", "2026-01-12"}


def test_samples_show_what_was_written_beside_what_stands_there(world) -> None:
    folder, _ = world.evaluate("report")

    samples = [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]

    assert [sample["model"] for sample in samples] == [NAME, NAME, "finetuned", "finetuned"]
    assert all(sample["prompt"] and sample["truth"] for sample in samples)
    assert samples[2]["prompt"].startswith("What does ")


def test_the_same_bytes_for_one_worker_and_two(world) -> None:
    champion = world.checkpoint("pretrained_checkpoint", 9)

    one, _ = world.evaluate("one", champion=champion, workers=1)
    two, _ = world.evaluate("two", champion=champion, workers=2)

    assert world.digests(one) == world.digests(two)


def test_a_killed_evaluation_scores_no_model_twice(world, monkeypatch) -> None:
    fresh, _ = world.evaluate("fresh")
    real, begun = module.token_nats, []

    def counted(model, sequences, **settings):
        begun.append(model)
        return real(model, sequences, **settings)

    def killed(training, vocab_size, sequences):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "token_nats", counted)
        patched.setattr(module, "unigram_nats", killed)
        with pytest.raises(KeyboardInterrupt):
            world.evaluate("resumed")
    assert len(begun) == 2

    monkeypatch.setattr(module, "token_nats", counted)
    resumed, _ = world.evaluate("resumed")

    assert len(begun) == 2
    assert world.digests(resumed) == world.digests(fresh)


def test_hostile_documents_are_scored_like_any(world) -> None:
    hostile = [
        Document("0" * 32, "not an address", "x", "2026-01-12", split="held_out"),
        Document("1" * 32, "http://[broken", "# a.b(<|end|>)\n<|bos|> <|user|>", "2026-01-12", split="held_out"),
        Document("2" * 32, "http://gamma.org/", "\u0000\ufffd\u202e潮" * 400, "2026-01-12", split="held_out"),
        Document("3" * 32, "http://gamma.org/2", "# a.b(" + "x, " * 2000 + ")", "2026-01-12", split="held_out"),
    ]
    world.add_snapshot(hostile)

    folder, outcome = world.evaluate("report")

    scores = Scores.read(folder / SCORES)
    assert outcome.stats["documents"] == 16
    assert all(np.isfinite(nats).all() for nats in scores.nats.values())
    assert set(scores.column("domain")) == {"alpha.org", "beta.org", "gamma.org", "(no host)"}


def test_the_quantized_model_is_scored_too(world) -> None:
    plain = world.checkpoints[NAME]
    world.checkpoints["quantized"] = world.checkpoint("quantized", 1)
    save_model(quantize_int8(load_model(plain.path), Int8Scheme()), world.checkpoints["quantized"].path)
    world.checkpoints["quantized"] = dataclasses.replace(world.checkpoints["quantized"], digest="8" * 32)

    folder, _ = world.evaluate("report")

    scores = Scores.read(folder / SCORES)
    np.testing.assert_allclose(scores.nats["quantized"], scores.nats[NAME], rtol=0.02)
    assert (scores.nats["quantized"] != scores.nats[NAME]).any()


def test_a_broken_model_is_named(world) -> None:
    folder = world.checkpoints["finetuned"].path
    model = load_model(folder)
    model.norm.weight.data.fill_(math.nan)
    save_model(model, folder)

    with pytest.raises(BuildError, match=r"finetuned scores a document with infinity or NaN"):
        world.evaluate("report")


def test_a_table_of_something_else_is_refused(world, tmp_path) -> None:
    folder, _ = world.evaluate("report")
    pq.write_table(pq.read_table(folder / SCORES).drop_columns("url"), tmp_path / "cut.parquet")

    for no_scores in (tmp_path / "cut.parquet", folder / SAMPLES):
        with pytest.raises(InputError, match="no table of scores"):
            Scores.read(no_scores)


def test_arithmetic_gives_the_threads_back() -> None:
    before = torch.get_num_threads()

    with module.arithmetic(before + 1):
        assert torch.get_num_threads() == before + 1

    assert torch.get_num_threads() == before
