import pytest
import torch

from llm_core.errors import LLMCoreError
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer
from llm_core.train.config import TrainConfig
from llm_core.train.muon import Muon, orthogonalise
from llm_core.train.optimisers import Optimisers, parameter_roles


def tiny(tied: bool = False) -> Transformer:
    torch.manual_seed(0)
    return Transformer(ModelConfig(vocab_size=32, hidden_size=16, layers=2, heads=2, tied=tied))


def take_steps(model: Transformer, optimisers: Optimisers, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        model(torch.randint(0, 32, (2, 8))).square().mean().backward()
        optimisers.step(0.1)


@pytest.mark.parametrize("shape", [(3, 12, 40), (3, 40, 12), (2, 16, 16)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_muon_agrees_with_torch_up_to_its_bf16():
    torch.manual_seed(0)
    start = [torch.randn(8, 24), torch.randn(24, 8), torch.randn(8, 24)]
    ours, theirs = ([torch.nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    optimisers = Muon(ours, lr=0.1, weight_decay=0.1), torch.optim.Muon(theirs, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, atol=0.02, rtol=0.02)


def test_every_parameter_has_one_role():
    model = tiny()
    roles = parameter_roles(model)
    assert list(roles["embeddings"]) == ["embed_tokens.weight"]
    assert "lm_head.weight" in roles["others"]
    assert all(parameter.ndim == 2 for parameter in roles["matrices"].values())
    assert len(roles["matrices"]) + len(roles["embeddings"]) + len(roles["others"]) == len(list(model.parameters()))


def test_a_tied_head_is_an_embedding():
    roles = parameter_roles(tiny(tied=True))
    assert list(roles["embeddings"]) == ["embed_tokens.weight"]
    assert all("norm" in name for name in roles["others"])


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_state_put_back_gives_the_same_steps(optimiser):
    config = TrainConfig(optimiser=optimiser)
    straight = tiny()
    take_steps(straight, Optimisers(straight, config), range(6))

    first = tiny()
    before = Optimisers(first, config)
    take_steps(first, before, range(3))
    second = tiny()
    second.load_state_dict(first.state_dict())
    after = Optimisers(second, config)
    after.load_state(before.state())
    take_steps(second, after, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), second.parameters(), strict=True))


def test_frozen_parameters_stay():
    model = tiny()
    model.embed_tokens.requires_grad_(False)
    before = model.embed_tokens.weight.clone()
    take_steps(model, Optimisers(model, TrainConfig(weight_decay=0.5)), range(2))
    assert torch.equal(model.embed_tokens.weight, before)


def test_a_wholly_frozen_model_is_refused():
    with pytest.raises(LLMCoreError, match="nothing to train"):
        Optimisers(tiny().requires_grad_(False), TrainConfig())


def test_state_of_another_model_is_refused():
    model = tiny()
    with pytest.raises(LLMCoreError, match=r"state is of another model: 'other\.weight'"):
        Optimisers(model, TrainConfig()).load_state({"other.weight|momentum": torch.zeros(1)})
