"""What a token's output may depend on: earlier tokens of its own document, and nothing else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.model.config import ModelConfig
from llm_core.model.transformer import InputError, Transformer, document_mask

CONFIG = ModelConfig(
    vocab_size=40, hidden_size=24, layers=3, heads=4, kv_heads=2, qk_norm=True, activation="relu2", init_std=0.2
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(1)
    return Transformer(CONFIG).eval().requires_grad_(False)


@given(place=st.integers(0, 11), token=st.integers(0, 39))
@settings(max_examples=25, deadline=None)
def test_no_token_sees_a_later_one(model: Transformer, place: int, token: int) -> None:
    tokens = torch.arange(12)[None] % 40
    changed = tokens.clone()
    changed[0, place] = token
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :place], after[:, :place])
    assert tokens[0, place] == token or not torch.allclose(before[:, place:], after[:, place:])


@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=25, deadline=None)
def test_nothing_leaks_across_the_borders_of_packed_documents(
    model: Transformer, sizes: list[int], seed: int, data: st.DataObject
) -> None:
    documents = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))[None]
    tokens = torch.randint(40, documents.shape, generator=torch.Generator().manual_seed(seed))
    chosen = data.draw(st.integers(0, len(sizes) - 1))
    changed = torch.where(documents == chosen, (tokens + 1) % 40, tokens)
    before, after = model(tokens, documents=documents), model(changed, documents=documents)
    others = documents != chosen
    assert torch.equal(before[others], after[others])
    assert not torch.allclose(before[~others], after[~others])


def test_the_first_packed_document_is_what_it_is_alone(model: Transformer) -> None:
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    documents = torch.tensor([[7, 7, 7, 7, 7, 2, 2, 2]])
    packed = model(tokens, documents=documents)
    torch.testing.assert_close(packed[:, :5], model(tokens[:, :5]))


def test_rotary_sees_distances_only_so_a_later_document_is_what_it_is_alone(model: Transformer) -> None:
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    documents = torch.tensor([[7, 7, 7, 7, 7, 2, 2, 2]])
    packed = model(tokens, documents=documents)
    torch.testing.assert_close(packed[:, 5:], model(tokens[:, 5:]), rtol=1e-4, atol=1e-4)


def test_a_masked_token_is_seen_by_none_and_its_own_output_is_finite(model: Transformer) -> None:
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9]])
    documents = torch.tensor([[0, 0, -1, -1, 0, 0]])
    changed = torch.tensor([[3, 1, 8, 2, 5, 9]])
    before, after = model(tokens, documents=documents), model(changed, documents=documents)
    kept = documents >= 0
    assert torch.equal(before[kept], after[kept])
    assert before.isfinite().all()


def test_the_document_mask_in_full() -> None:
    assert document_mask(torch.tensor([[0, 0, -1, 1, -1, 1]]))[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 1],
    ]


def test_padding_on_the_right_changes_nothing_before_it(model: Transformer) -> None:
    tokens = torch.tensor([[3, 1, 4]])
    padded = torch.tensor([[3, 1, 4, 0, 0]])
    torch.testing.assert_close(model(padded)[:, :3], model(tokens))


def test_logits_are_the_head_of_the_states(model: Transformer) -> None:
    tokens = torch.tensor([[3, 1, 4]])
    states = model.states(tokens)
    assert states.shape == (1, 3, 24)
    assert torch.equal(model.head(states), model(tokens))
    torch.testing.assert_close(states.square().mean(-1), torch.ones(1, 3))


def test_a_small_model_learns_a_sequence_by_heart() -> None:
    torch.manual_seed(0)
    model = Transformer(CONFIG)
    tokens = torch.randint(40, (2, 17))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < losses[0]


def test_bf16_autocast_stays_near_fp32(model: Transformer) -> None:
    tokens = torch.arange(12)[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(tokens)
    exact = model(tokens)
    assert (rough.float() - exact).abs().max() < 0.05 * exact.std()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            {"tokens": torch.zeros(1, 2049, dtype=torch.int64)},
            "a row has 2049 tokens; the model takes max_positions=2048",
        ),
        ({"tokens": torch.zeros(1, 2, dtype=torch.int64), "lengths": torch.tensor([1])}, "need a cache"),
    ],
)
def test_impossible_input_is_refused(model: Transformer, arguments: dict[str, torch.Tensor], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        model(**arguments)
