"""Which documents judge, and what the unit of the verdict is."""

import dataclasses

import numpy as np
import pytest

from assets.documents import read_documents
from assets.evaluate.config import EvaluateConfig
from assets.evaluate.held_out import HeldOut, own_tokens, read_held_out, start_token
from assets.evaluate.token_stream import TokenStream, training_stream
from resources.errors import InputError

SPECIALS = frozenset({0, 1, 2, 3})


def read(world, **settings) -> HeldOut:
    return read_held_out(world.shards, world.corpora, SPECIALS, EvaluateConfig(**settings))


def test_documents_come_with_their_own_tokens_text_and_domain(world) -> None:
    held_out = read(world)

    assert held_out.start == 0
    assert len(held_out.documents) == 12
    assert {document.domain for document in held_out.documents} == {"alpha.org", "beta.org"}
    for document in held_out.documents:
        assert world.tokenizer.decode(document.tokens.tolist()) == document.text
        assert document.size_bytes == len(document.text.encode())


def test_hosts_can_be_judged_together(world) -> None:
    held_out = read(world, domains={"science": ("alpha.org", "beta.org")})

    assert {document.domain for document in held_out.documents} == {"science"}


def test_the_sample_is_even_over_domains_and_the_same_each_time(world) -> None:
    drawn = read(world, documents_per_domain=3).documents

    assert [document.domain for document in drawn].count("alpha.org") == 3
    assert [document.id for document in drawn] == [d.id for d in read(world, documents_per_domain=3).documents]
    assert {d.id for d in drawn} != {d.id for d in read(world, documents_per_domain=3, seed=1).documents}


def test_the_tokens_are_bounded(world) -> None:
    longest = max(document.tokens.size for document in read(world).documents)

    drawn = read(world, tokens=2 * longest + 10).documents

    assert 2 <= len(drawn) < 12


def test_hosts_are_the_unit_where_hosts_were_held_out_and_pages_where_pages_were(world, tmp_path) -> None:
    assert read(world).unit == "host"

    one_host = [
        dataclasses.replace(document, url=document.url.replace("train.org", "alpha.org"))
        for document in read_documents(world.corpora[0])
    ]
    mixed = dataclasses.replace(world, root=tmp_path / "mixed", shards=[], corpora=[])
    mixed.add_snapshot(one_host)

    assert read(mixed).unit == "page"


def test_shards_of_another_corpus_are_refused(world) -> None:
    with pytest.raises(InputError, match="is not among the held-out documents"):
        read_held_out(world.shards, [], SPECIALS, EvaluateConfig())


def test_nothing_held_out_is_named_with_its_mend(empty_world) -> None:
    with pytest.raises(InputError, match="held_out_share"):
        read(empty_world)


def test_a_document_starts_after_the_special_token_that_training_saw_there() -> None:
    assert start_token([np.array([0, 9, 8])], SPECIALS) == 0
    assert start_token([np.array([9, 8, 3])], SPECIALS) == 3
    assert own_tokens(np.array([0, 9, 8, 3]), SPECIALS).tolist() == [9, 8]
    with pytest.raises(InputError, match="special token"):
        start_token([np.array([9, 8])], SPECIALS)


def test_baselines_count_training_documents_only_evenly_thinned(world) -> None:
    def stream(most_tokens: int) -> TokenStream:
        return training_stream(world.shards, 0, SPECIALS, most_tokens=most_tokens, seed=0)

    every = stream(10**6)
    some = stream(every.tokens.size // 3)

    assert int((every.places == 0).sum()) == 20
    assert 0 < int((some.places == 0).sum()) < 20
