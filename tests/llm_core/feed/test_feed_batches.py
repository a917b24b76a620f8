import numpy as np
import pytest
import torch

from llm_core.errors import ConfigError
from llm_core.feed.batches import Feed, validation_batches
from llm_core.feed.order import Order, Source


@pytest.fixture
def shards(make_shards):
    return make_shards([37] * 60, shard_tokens=300)


@pytest.fixture
def order(shards):
    return Order([Source(shards)], length=12, sequences=8, seed=1)


def test_targets_are_the_tokens_after(order):
    batch = Feed(order).batch(4)
    assert batch.tokens.shape == batch.targets.shape == (8, 12)
    assert (batch.targets == batch.tokens + 1).all()
    assert (batch.weights, batch.documents, batch.targets_in_step) == (None, None, 96)


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_any_number_of_processes_reads_the_same_step(order, processes):
    whole = Feed(order).batch(7)
    parts = [Feed(order, rank=rank, processes=processes).batch(7) for rank in range(processes)]
    assert torch.equal(torch.cat([part.tokens for part in parts]), whole.tokens)


def test_rows_that_cannot_be_shared_evenly_are_refused(order):
    with pytest.raises(ConfigError, match="multiple of the 3 processes"):
        Feed(order, processes=3)


def test_reading_ahead_changes_nothing_and_starts_anywhere(order):
    feed = Feed(order)
    ahead = {batch.step: batch.tokens for batch in feed.batches(5, 12)}
    assert list(ahead) == list(range(5, 12))
    assert all(torch.equal(feed.batch(step).tokens, tokens) for step, tokens in ahead.items())


def test_skipped_steps_are_left_out_and_move_no_other(order):
    feed = Feed(order, skip_steps=[3, 4, 9])
    batches = {batch.step: batch for batch in feed.batches(2, 10)}
    assert list(batches) == [2, 5, 6, 7, 8]
    assert torch.equal(batches[5].tokens, Feed(order).batch(5).tokens)


def test_an_error_in_the_reading_thread_reaches_the_reader(order, shards):
    feed = Feed(order)
    feed.batch(0)
    (shards.folder / "00003.spans.npy").write_bytes(b"damaged")
    confined = Feed(order, confine_attention=True)
    with pytest.raises(Exception, match=r"00003\.spans\.npy cannot be read"):
        list(confined.batches(0, 20))


def test_declared_documents_are_masked_in_place(shards, order):
    banned = [span.document for span in shards.spans(0, shards.tokens)][10:14]
    positions = np.concatenate([np.arange(span.start, span.stop) for span in shards.find(banned)])
    plain, masked = Feed(order), Feed(order, skip_documents=banned)
    met = 0
    for step in range(20):
        before, after = plain.batch(step), masked.batch(step)
        read_masked = torch.from_numpy(np.isin(before.tokens.numpy(), positions))
        target_masked = torch.from_numpy(np.isin(before.targets.numpy(), positions))
        met += int(read_masked.sum())
        if not (read_masked | target_masked).any():
            assert torch.equal(before.tokens, after.tokens)
            assert after.weights is None
            continue
        assert torch.equal(after.weights == 0, read_masked | target_masked)
        assert torch.equal(after.documents == -1, read_masked)
        assert (after.tokens[read_masked] == 0).all()
        assert (after.targets[target_masked] == 0).all()
        assert torch.equal(after.tokens[~read_masked], before.tokens[~read_masked])
        assert after.targets_in_step == 96 - int((read_masked | target_masked).sum())
    assert met > 0


def test_the_normaliser_counts_every_process(shards, order):
    banned = [span.document for span in shards.spans(0, 400)]
    whole = Feed(order, skip_documents=banned)
    halves = [Feed(order, skip_documents=banned, rank=rank, processes=2) for rank in (0, 1)]
    for step in range(5):
        assert {half.batch(step).targets_in_step for half in halves} == {whole.batch(step).targets_in_step}


def test_loss_marks_choose_the_targets(make_shards):
    order = Order([Source(make_shards([200, 100], loss=True))], length=12, sequences=2, seed=0)
    batch = Feed(order).batch(0)
    assert torch.equal(batch.weights, (batch.targets % 2).float())
    assert batch.targets_in_step == int((batch.targets % 2).sum())


def test_confined_attention_numbers_the_documents_of_a_row(make_shards):
    order = Order([Source(make_shards([5, 4, 90]))], length=12, sequences=8, seed=0)
    batch = Feed(order, confine_attention=True).batch(0)
    first = batch.documents[(batch.tokens[:, 0] == 0).nonzero()[0, 0]]
    assert first.tolist() == [0] * 5 + [1] * 4 + [2] * 3


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_validation_meets_every_window_once_in_equal_shapes(shards, processes):
    found = []
    for rank in range(processes):
        for batch in validation_batches(shards, length=12, rows=7, rank=rank, processes=processes):
            assert batch.tokens.shape == (7, 12)
            counting = torch.ones(7, 12, dtype=bool) if batch.weights is None else batch.weights.bool()
            assert batch.targets_in_step == counting.sum()
            found += batch.targets[counting].tolist()
    windows = (37 * 60 - 1) // 12
    assert sorted(found) == list(range(1, windows * 12 + 1))


def test_validation_can_be_limited(shards):
    batches = list(validation_batches(shards, length=12, rows=4, limit=6))
    assert [batch.targets_in_step for batch in batches] == [48, 24]
