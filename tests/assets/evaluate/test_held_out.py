"""Which documents judge, and what the unit of the verdict is."""

import dataclasses

import pytest

from assets.documents import read_documents
from assets.evaluate.baselines import training_stream
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOutDocument, read_held_out
from assets.likelihood import Tokens
from resources.errors import InputError


def read(world, **settings) -> list[HeldOutDocument]:
    return read_held_out(world.shards, world.corpora, EvaluateConfig(**settings))[0]


def unit_of(world) -> str:
    return read_held_out(world.shards, world.corpora, EvaluateConfig())[1]


def test_documents_come_with_their_own_tokens_text_and_domain(world) -> None:
    documents = read(world)

    assert len(documents) == 12
    assert {document.domain for document in documents} == {"alpha.org", "beta.org"}
    for document in documents:
        assert document.tokens[0] == 0
        assert world.tokenizer.decode(document.tokens[1:].tolist(), skip_special_tokens=False) == document.text


def test_the_sample_is_even_over_domains_and_the_same_each_time(world) -> None:
    drawn = read(world, documents_per_domain=3)

    assert [document.domain for document in drawn].count("alpha.org") == 3
    assert [document.id for document in drawn] == [d.id for d in read(world, documents_per_domain=3)]
    assert {d.id for d in drawn} != {d.id for d in read(world, documents_per_domain=3, seed=1)}


def test_the_tokens_are_bounded(world) -> None:
    longest = max(document.tokens.size for document in read(world))

    drawn = read(world, tokens=2 * longest + 10)

    assert 2 <= len(drawn) < 12


def test_hosts_are_the_unit_where_hosts_were_held_out_and_pages_where_pages_were(world, tmp_path) -> None:
    assert unit_of(world) == "host"

    one_host = [
        dataclasses.replace(document, url=document.url.replace("train.org", "alpha.org"))
        for document in read_documents(world.corpora[0])
    ]
    mixed = dataclasses.replace(world, root=tmp_path / "mixed", shards=[], corpora=[])
    mixed.add_snapshot(one_host)

    assert unit_of(mixed) == "page"

    nowhere = [dataclasses.replace(document, url="") for document in read_documents(world.corpora[0])]
    rows = dataclasses.replace(world, root=tmp_path / "rows", shards=[], corpora=[])
    rows.add_snapshot(nowhere)

    assert unit_of(rows) == "page", "rows without an address are of no host on either side"


def test_shards_of_another_corpus_are_refused(world) -> None:
    with pytest.raises(InputError, match="is not among the held-out documents"):
        read_held_out(world.shards, [], EvaluateConfig())


def test_nothing_held_out_is_named_with_its_mend(empty_world) -> None:
    with pytest.raises(InputError, match="held_out_share"):
        read(empty_world)


def test_baselines_count_training_documents_only_evenly_thinned(world) -> None:
    def stream(most_tokens: int) -> Tokens:
        return training_stream(world.shards, most_tokens=most_tokens, seed=0)

    every = stream(10**6)
    some = stream(every.size // 3)

    assert (every == 0).sum() == 20
    assert 0 < (some == 0).sum() < 20
