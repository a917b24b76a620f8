"""Near-duplicate search beside datasketch's MinHashLSH, on the same documents in memory: CPU time and recall."""

import random
import time
from itertools import combinations

from datasketch import MinHash as PeerMinHash
from datasketch import MinHashLSH

from assets.dedup.config import DedupConfig
from assets.lsh import BandIndex
from assets.minhash import MinHash, similarity
from assets.shingles import Shingler
from pipelines.cli.bench import OURS, Measured, Row
from tests.jaccard import exact_jaccard

DOCUMENTS, FAMILIES, WORDS = 3000, 300, 100
NEAR = 0.8


def measure() -> Measured:
    """Time both on documents of which some are edited copies; truth by exact Jaccard within families."""
    texts, family = _corpus()
    config = DedupConfig()
    shingler = Shingler(config.shingle_words, config.seed)
    shingles = shingler.cut(texts)
    truth = {
        (a, b)
        for members in family
        for a, b in combinations(members, 2)
        if exact_jaccard(shingles.of(a), shingles.of(b)) >= NEAR
    }
    ours, our_s = _timed(lambda: _ours(texts, config))
    theirs, their_s = _timed(lambda: _theirs(texts, config))
    rows = [
        Row(OURS, "speed", DOCUMENTS / our_s, "documents/s of CPU"),
        Row(OURS, "recall", len(truth & ours) / len(truth), "share of pairs"),
        Row("datasketch", "speed", DOCUMENTS / their_s, "documents/s of CPU"),
        Row("datasketch", "recall", len(truth & theirs) / len(truth), "share of pairs"),
    ]
    return Measured(tuple(rows), {"datasketch": their_s / our_s})


def _timed(work):
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def _ours(texts, config):
    hasher = MinHash(config.bands, config.rows, config.seed)
    signatures = hasher.signatures(Shingler(config.shingle_words, config.seed).cut(texts))
    keys = hasher.band_keys(signatures)
    found = set()
    for left, right in BandIndex.of(keys).candidates(keys):
        near = similarity(signatures[left], signatures[right]) >= config.min_similarity
        found |= {tuple(sorted(pair)) for pair in zip(left[near].tolist(), right[near].tolist(), strict=True)}
    return {pair for pair in found if pair[0] != pair[1]}


def _theirs(texts, config):
    permutations = config.bands * config.rows
    index = MinHashLSH(num_perm=permutations, params=(config.bands, config.rows))
    hashes = []
    for number, text in enumerate(texts):
        words = text.split()
        grams = {
            " ".join(words[i : i + config.shingle_words]).encode() for i in range(len(words) - config.shingle_words + 1)
        }
        signature = PeerMinHash(num_perm=permutations)
        signature.update_batch(list(grams))
        index.insert(number, signature)
        hashes.append(signature)
    found = {tuple(sorted((a, b))) for a, signature in enumerate(hashes) for b in index.query(signature)}
    return {(a, b) for a, b in found if a != b and hashes[a].jaccard(hashes[b]) >= config.min_similarity}


def _corpus():
    draw = random.Random(7)
    vocabulary = [f"w{number}" for number in range(5000)]
    texts, family = [], []
    for _ in range(FAMILIES):
        words = [draw.choice(vocabulary) for _ in range(WORDS)]
        members = []
        for edits in (0, 1, 2, 5):
            copy = list(words)
            for place in draw.sample(range(WORDS), edits):
                copy[place] = draw.choice(vocabulary)
            members.append(len(texts))
            texts.append(" ".join(copy))
        family.append(members)
    texts += [" ".join(draw.choice(vocabulary) for _ in range(WORDS)) for _ in range(DOCUMENTS - len(texts))]
    return texts, family
