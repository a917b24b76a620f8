import pytest
import torch
import torch.nn.functional as F

from llm_core.objectives.next_token import next_token_loss


@pytest.fixture
def problem():
    torch.manual_seed(0)
    states = torch.randn(3, 7, 16, requires_grad=True)
    head = torch.randn(11, 16, requires_grad=True)
    targets = torch.randint(0, 11, (3, 7))
    weights = (torch.rand(3, 7) > 0.4).float()
    return states, head, targets, weights


def plain_loss(states, head, targets, weights):
    losses = F.cross_entropy(F.linear(states, head).flatten(0, 1), targets.flatten(), reduction="none")
    return (losses if weights is None else losses * weights.flatten()).sum()


@pytest.mark.parametrize("is_weighted", [True, False])
@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_loss_and_gradients_are_those_of_plain_cross_entropy(problem, chunk, is_weighted):
    states, head, targets, weights = problem
    weights = weights if is_weighted else None
    expected = plain_loss(states, head, targets, weights)
    wanted = torch.autograd.grad(expected / 5, (states, head))
    loss = next_token_loss(states, head, targets, weights, chunk=chunk)
    torch.testing.assert_close(loss, expected)
    for found, want in zip(torch.autograd.grad(loss / 5, (states, head)), wanted, strict=True):
        torch.testing.assert_close(found, want)


def test_a_frozen_head_gets_no_gradient(problem):
    states, head, targets, weights = problem
    next_token_loss(states, head.detach(), targets, weights).backward()
    want = torch.autograd.grad(plain_loss(states, head, targets, weights), states)[0]
    torch.testing.assert_close(states.grad, want)


def test_what_stands_at_a_masked_place_has_no_influence(problem):
    states, head, targets, weights = problem
    spoiled_states = torch.where(weights[..., None] > 0, states, torch.nan).detach().requires_grad_()
    spoiled_targets = torch.where(weights > 0, targets, 10 - targets)
    loss = next_token_loss(states, head, targets, weights)
    spoiled = next_token_loss(spoiled_states, head, spoiled_targets, weights)
    assert torch.equal(loss, spoiled)
    spoiled.backward()
    assert (spoiled_states.grad[weights == 0] == 0).all()


def test_no_counting_target_gives_zero_and_a_zero_gradient(problem):
    states, head, targets, weights = problem
    loss = next_token_loss(states, head, targets, torch.zeros_like(weights))
    loss.backward()
    assert loss == 0
    assert (states.grad == 0).all()
    assert (head.grad == 0).all()


def test_scoring_without_gradients_gives_the_same_sum(problem):
    states, head, targets, weights = problem
    with torch.no_grad():
        scored = next_token_loss(states, head, targets, weights, chunk=4)
    assert torch.equal(scored, next_token_loss(states, head, targets, weights, chunk=4))


def test_bf16_products_stay_near_fp32(problem):
    states, head, targets, weights = problem
    exact = next_token_loss(states, head, targets, weights)
    rounded = next_token_loss(states, head, targets, weights, dtype=torch.bfloat16)
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0.1)
    want = torch.autograd.grad(exact, head, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(rounded, head)[0], want, rtol=0.05, atol=0.1)
