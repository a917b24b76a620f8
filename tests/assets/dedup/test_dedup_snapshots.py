"""Several snapshots: first seen wins, a new one costs its delta, and the result is that of one pass over all."""

import random
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.dedup.config import DedupConfig
from assets.documents import Document, document_id
from assets.minhash import MinHash
from assets.shingles import Shingler
from resources.errors import InputError

BASE = [f"word{number}" for number in range(100)]
PAGE = " ".join(BASE)


def edited(*places: int, text: str = PAGE) -> str:
    words = text.split()
    for place in places:
        words[place] = f"edit{place}"
    return " ".join(words)


def test_an_unchanged_page_and_a_slightly_changed_one_were_seen_earlier(workshop):
    first = workshop.dedup({"a": PAGE})
    second = workshop.dedup({"a": PAGE, "b": edited(50), "c": "Something else entirely was written here."}, [first])
    assert second.kept == {"c"}
    assert second.reasons == {"a": "seen_earlier_exact", "b": "seen_earlier_near"}
    row = second.clusters[document_id("b", "2026-01-12")]
    assert (row["kept_id"], row["kept_snapshot"]) == (document_id("a", "2026-01-05"), "2026-01-05")


def test_a_page_that_changed_much_is_new(workshop):
    first = workshop.dedup({"a": PAGE})
    assert workshop.dedup({"a": edited(*range(0, 100, 3))}, [first]).kept == {"a"}


def test_what_was_dropped_earlier_is_known_too_and_stands_for_what_was_kept(workshop):
    config = DedupConfig(keep="first_url")
    drift = [edited(*range(step)) for step in (0, 8, 16)]
    first = workshop.dedup({"a": drift[0]}, config=config)
    second = workshop.dedup({"b": drift[1]}, [first], config)
    third = workshop.dedup({"c": drift[2]}, [first, second], config)
    assert second.reasons | third.reasons == {"b": "seen_earlier_near", "c": "seen_earlier_near"}
    assert third.clusters[document_id("c", "2026-01-19")]["kept_id"] == document_id("a", "2026-01-05")
    assert third.scores["c"] == pytest.approx(1 - 32 / 112 - 0.01, abs=0.12)  # (96 - 16) / (96 + 16) shared with a


def test_a_whole_group_is_dropped_with_the_member_that_was_seen(workshop):
    first = workshop.dedup({"old": edited(*range(8))})
    second = workshop.dedup(
        {"near-old": PAGE, "far": edited(*range(90, 100)), "far-copy": edited(*range(90, 100))}, [first]
    )
    assert second.kept == set()
    assert set(second.reasons.values()) == {"seen_earlier_near"}


def test_earlier_snapshots_are_neither_read_again_nor_changed(workshop):
    first = workshop.dedup({f"a/{n}": edited(n, n + 30) for n in range(20)})
    before = first.digests()
    for folder in ("documents", "dropped", "clusters"):
        shutil.rmtree(first.folder / folder)
    second = workshop.dedup({"a/1": edited(1, 31), "new": "An entirely different page about something else."}, [first])
    assert second.outcome.stats["hashed"] == 2
    assert second.outcome.stats["index_entries"] == 1
    assert second.reasons == {"a/1": "seen_earlier_exact"}
    assert first.digests().items() <= before.items()


def test_an_index_from_another_spec_or_out_of_order_is_refused(workshop):
    first = workshop.dedup({"a": PAGE})
    second = workshop.dedup({"b": PAGE}, [first])
    with pytest.raises(InputError, match=r"segment\.json was made with .*'bands': 16"):
        workshop.dedup({"c": PAGE}, [first], DedupConfig(bands=20, rows=6))
    for earlier in ([second], [second, first]):
        with pytest.raises(InputError, match="pass every earlier snapshot, oldest first"):
            workshop.dedup({"c": PAGE}, earlier)


@pytest.mark.parametrize("damage", ["segment.json", "signatures.npy", "band_keys.npy"])
def test_a_damaged_index_is_named(workshop, damage):
    first = workshop.dedup({"a": PAGE})
    (first.folder / "index" / damage).write_bytes(b"half a fi")
    with pytest.raises(InputError, match=rf"{damage}.*tidemill verify"):
        workshop.dedup({"b": PAGE}, [first])
    (first.folder / "index" / damage).unlink()
    with pytest.raises(InputError, match=rf"{damage}.*tidemill verify"):
        workshop.dedup({"b": PAGE}, [first])


def test_an_empty_snapshot_between_others_changes_nothing(workshop):
    first = workshop.dedup({"a": PAGE})
    empty = workshop.dedup(workshop.extracted("none", []), [first])
    assert workshop.dedup({"a": PAGE}, [first, empty]).reasons == {"a": "seen_earlier_exact"}


@dataclass(frozen=True)
class Fate:
    reason: str
    stands: str
    score: float | None


def one_pass(documents: list[Document], config: DedupConfig, pairs: np.ndarray) -> dict[str, Fate]:
    """All snapshots at once, by definition: `pairs[i, j]` says that i and j are duplicates, nothing is searched."""
    shingles = Shingler(config.shingle_words, config.seed).cut([document.text for document in documents])
    signatures = MinHash(config.bands, config.rows, config.seed).signatures(shingles)
    estimate = (signatures[:, None] == signatures[None]).mean(axis=2, dtype=np.float32)
    words = [tuple(document.text.lower().split()) for document in documents]
    key = {
        "longest": lambda i: (-len(documents[i].text), documents[i].url),
        "shortest_url": lambda i: (len(documents[i].url), documents[i].url),
        "first_url": lambda i: documents[i].url,
    }[config.keep]
    fates: dict[str, Fate] = {}
    stands: dict[int, int] = {}
    for snapshot in sorted({document.snapshot for document in documents}):
        own = [i for i, document in enumerate(documents) if document.snapshot == snapshot]
        older = [i for i, document in enumerate(documents) if document.snapshot < snapshot]
        waiting = set(own)
        while waiting:
            group, frontier = [], [waiting.pop()]
            while frontier:
                member = frontier.pop()
                group.append(member)
                joined = {other for other in waiting if pairs[member, other]}
                waiting -= joined
                frontier += joined

            def closeness(pair: tuple[int, int]) -> tuple[object, ...]:
                i, j = pair
                tie = tuple(shingles.digests[j])
                return (words[i] != words[j], -estimate[i, j], documents[j].snapshot, tie)

            met = [(i, j) for i in group for j in older if pairs[i, j]]
            kept = min(group, key=key)
            for i in group:
                mine = [pair for pair in met if pair[0] == i] or met
                stands[i] = stands[min(mine, key=closeness)[1]] if met else kept
                if met:
                    same = any(words[i] == words[j] for j in older)
                    reason = "seen_earlier_exact" if same else "seen_earlier_near"
                else:
                    reason = "exact_duplicate" if words[i] == words[kept] else "near_duplicate"
                if stands[i] == i:
                    fates[documents[i].id] = Fate("kept", documents[i].id, None)
                else:
                    fates[documents[i].id] = Fate(reason, documents[stands[i]].id, float(estimate[i, stands[i]]))
    return fates


def signature_pairs(documents: list[Document], config: DedupConfig) -> np.ndarray:
    """Which pairs share a band and agree often enough, or are equal: every pair's signatures compared in full."""
    shingles = Shingler(config.shingle_words, config.seed).cut([document.text for document in documents])
    signatures = MinHash(config.bands, config.rows, config.seed).signatures(shingles)
    equal = signatures[:, None] == signatures[None]
    share_band = equal.reshape(*equal.shape[:2], config.bands, config.rows).all(axis=3).any(axis=2)
    return share_band & (equal.mean(axis=2, dtype=np.float32) >= np.float32(config.min_similarity))


def jaccard_pairs(documents: list[Document], config: DedupConfig) -> np.ndarray:
    """Which pairs have an exact Jaccard similarity from `min_similarity` on."""
    length = config.shingle_words
    sets = []
    for document in documents:
        words = document.text.lower().split()
        sets.append({tuple(words[at : at + length]) for at in range(max(len(words) - length + 1, 1))})
    exact = np.array([[len(a & b) / len(a | b) for b in sets] for a in sets])
    assert not ((exact > 0.5) & (exact < 0.88)).any(), "planted pairs must be clearly similar or clearly not"
    return exact >= config.min_similarity


def one_after_the_other(workshop, snapshots: list[list[Document]], config: DedupConfig) -> dict[str, Fate]:
    results, fates = [], {}
    for number, documents in enumerate(snapshots):
        result = workshop.dedup(workshop.extracted(f"extracted-{number}", documents), results, config)
        results.append(result)
        kept = {document.id for document in documents if document.url in result.kept}
        fates |= {id_: Fate("kept", id_, None) for id_ in kept}
        for document in documents:
            if document.id not in kept:
                row = result.clusters[document.id]
                reason = result.reasons[document.url]
                fates[document.id] = Fate(reason, row["kept_id"], pytest.approx(row["similarity"], abs=1e-6))
                assert row["kind"] == ("exact" if "exact" in reason else "near")
    return fates


def snapshots_with_changes(seed: int, rates: tuple[float, ...], pages: int = 60) -> list[list[Document]]:
    """Three snapshots: pages stay, change at some rate, are copied to other URLs, come and go."""
    draw = random.Random(seed)
    pool = [[f"w{draw.randrange(3000)}" for _ in range(draw.randrange(60, 120))] for _ in range(pages // 2)]
    snapshots = []
    for day in ("2026-01-05", "2026-01-12", "2026-01-19"):
        documents = []
        for number in range(pages):
            source = draw.choice(pool)
            rate = draw.choice(rates)
            words = [word if draw.random() >= rate else f"n{draw.randrange(3000)}" for word in source]
            if draw.random() < 0.3:
                pool.append(words)
            url = f"host{draw.randrange(5)}/{'p' * draw.randrange(1, 9)}/{number}"
            documents.append(Document(document_id(url, day), url, " ".join(words), day))
        snapshots.append(documents)
    return snapshots


@pytest.mark.parametrize("keep", ["longest", "shortest_url", "first_url"])
def test_one_after_the_other_equals_one_pass_over_all_by_signatures(workshop, keep):
    config = DedupConfig(keep=keep)
    snapshots = snapshots_with_changes(11, rates=(0, 0, 0.01, 0.02, 0.04, 0.08, 1))
    everything = [document for documents in snapshots for document in documents]
    expected = one_pass(everything, config, signature_pairs(everything, config))
    assert {fate.reason for fate in expected.values()} == {
        "kept",
        "exact_duplicate",
        "near_duplicate",
        "seen_earlier_exact",
        "seen_earlier_near",
    }
    assert one_after_the_other(workshop, snapshots, config) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_groups_that_chain_and_meet_several_earlier_documents_equal_one_pass(workshop, seed):
    """Windows on one long text: near ones overlap enough, so that groups are chains whose ends differ."""
    draw = random.Random(seed)
    long_text = [f"w{number}" for number in range(4400)]
    snapshots = []
    for day, count in (("2026-01-05", 10), ("2026-01-12", 30), ("2026-01-19", 50)):
        starts = [draw.randrange(4000) for _ in range(count)]
        texts = {f"host/{number}": " ".join(long_text[at : at + 400]) for number, at in enumerate(starts)}
        snapshots.append(workshop.pages(texts, day))
    everything = [document for documents in snapshots for document in documents]
    expected = one_pass(everything, DedupConfig(), signature_pairs(everything, DedupConfig()))
    assert one_after_the_other(workshop, snapshots, DedupConfig()) == expected


def test_one_after_the_other_equals_one_pass_over_all_by_exact_jaccard(workshop):
    draw = random.Random(5)
    families = [[f"w{draw.randrange(3000)}" for _ in range(100)] for _ in range(30)]
    snapshots = []
    for day in ("2026-01-05", "2026-01-12", "2026-01-19"):
        documents = []
        for number in range(40):
            words = list(draw.choice(families))
            if draw.random() < 0.5:
                words[draw.choice((0, 1, 98, 99))] = "edited"  # at the edge: at most two shingles of 96 differ
            url = f"host/{number}"
            documents.append(Document(document_id(url, day), url, " ".join(words), day))
        snapshots.append(documents)
    config = DedupConfig(keep="first_url")
    everything = [document for documents in snapshots for document in documents]
    expected = one_pass(everything, config, jaccard_pairs(everything, config))
    found = one_after_the_other(workshop, snapshots, config)
    assert {id_: fate.reason for id_, fate in found.items()} == {id_: fate.reason for id_, fate in expected.items()}


TEXTS = st.lists(st.sampled_from("abc"), max_size=7).map(" ".join)


@settings(max_examples=15, deadline=None)
@given(
    texts=st.lists(st.lists(TEXTS, max_size=8), min_size=1, max_size=3),
    keep=st.sampled_from(["longest", "shortest_url", "first_url"]),
    seed=st.integers(0, 3),
)
def test_any_few_short_texts_give_what_one_pass_gives(new_workshop, texts, keep, seed):
    config = DedupConfig(shingle_words=2, bands=8, rows=2, min_similarity=0.4, keep=keep, seed=seed)
    snapshots = []
    for number, of_day in enumerate(texts):
        day = f"2026-02-{1 + number:02}"
        urls = [f"{'u' * (1 + place % 3)}/{place}" for place in range(len(of_day))]
        snapshots.append(
            [Document(document_id(url, day), url, text, day) for url, text in zip(urls, of_day, strict=True)]
        )
    everything = [document for documents in snapshots for document in documents]
    expected = one_pass(everything, config, signature_pairs(everything, config)) if everything else {}
    assert one_after_the_other(new_workshop(), snapshots, config) == expected
