"""A decoder-only transformer, to be read from top to bottom.

RMSNorm before each part (Zhang & Sennrich, 2019), rotary positions (Su et al., 2021), grouped-query attention (Ainslie
et al., 2023), SwiGLU or squared ReLU, no biases: the Llama family. Module names are those of Hugging Face's decoders,
so that weights and adapters move there by a rename (``llm_core.interop.huggingface``).
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_core.errors import LLMCoreError
from llm_core.model.cache import Append, Cache
from llm_core.model.config import ModelConfig

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of every position's angles, each (batch or 1, 1, time, head_dim)."""


class InputError(LLMCoreError):
    """A forward pass got arguments that it cannot take together."""


class RMSNorm(nn.Module):
    """Scale each vector to a mean square of one, then by a learned gain; in fp32 whatever comes in."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps).to(x.dtype)


class Embedding(nn.Embedding):
    """A row for each token: looked up on the way in and, where the head is tied, compared with on the way out."""

    def compare(self, states: Tensor) -> Tensor:
        """Score each state against each row: (…, hidden) to (…, vocab)."""
        return F.linear(states, self.weight)


class Attention(nn.Module):
    """Let each token take from the tokens before it; several query heads share a key and value head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.is_grouped = config.kv_heads < config.heads
        q_width, kv_width = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, q_width, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, kv_width, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, kv_width, bias=False)
        self.o_proj = nn.Linear(q_width, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, rotation: Rotation, mask: Tensor | None, append: Append | None, layer: int) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, -1, self.head_dim).transpose(1, 2)  # (batch, heads, time, head_dim)
        k = self.k_proj(x).view(batch, time, -1, self.head_dim).transpose(1, 2)  # (batch, kv_heads, time, head_dim)
        v = self.v_proj(x).view(batch, time, -1, self.head_dim).transpose(1, 2)
        q, k = rotate(self.q_norm(q), rotation), rotate(self.k_norm(k), rotation)

        if append is not None:
            k, v = append.store(layer, k, v)  # (batch, kv_heads, total, head_dim): earlier tokens, then these
        is_causal = mask is None and k.shape[2] == time  # with neither, one new token sees all that is stored
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=is_causal, enable_gqa=self.is_grouped
        )  # (batch, heads, time, head_dim)
        output: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, time, -1))
        return output


class MLP(nn.Module):
    """SwiGLU, where a SiLU gate multiplies a linear path; or a squared ReLU, which needs no gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(hidden, inner, bias=False) if config.activation == "swiglu" else None
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate_proj is None:
            inner = F.relu(self.up_proj(x)).square()
        else:
            inner = F.silu(self.gate_proj(x)) * self.up_proj(x)
        output: Tensor = self.down_proj(inner)
        return output


class Block(nn.Module):
    """One layer: attention moves information between tokens, the feed-forward part works on each alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rotation: Rotation, mask: Tensor | None, append: Append | None, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask, append, layer)  # (batch, time, hidden)
        output: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return output


class Transformer(nn.Module):
    """A causal language model over token ids.

    >>> model = Transformer(ModelConfig(vocab_size=256, hidden_size=64, layers=2, heads=2))
    >>> model(torch.tensor([[7, 8, 9]])).shape
    torch.Size([1, 3, 256])
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build with fresh weights, drawn from torch's global generator (seed it first)."""
        super().__init__()
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.lm_head = None if config.tied else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.reset_parameters()

    def forward(self, tokens: Tensor, **arguments: Any) -> Tensor:
        """Score every next token: (batch, time) to logits (batch, time, vocab). Arguments as for ``states``."""
        return self.head(self.states(tokens, **arguments))

    def states(
        self,
        tokens: Tensor,
        *,
        cache: Cache | None = None,
        slots: Tensor | None = None,
        lengths: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder up to its last norm: (batch, time) to (batch, time, hidden).

        Args:
            tokens: ids, (batch, time); padding is on the right.
            cache: append row b to slot ``slots[b]``, after the ``cache.lengths[slots[b]]`` tokens that it holds.
            slots: (batch,), distinct; default the first ``batch`` slots.
            lengths: (batch,) valid tokens of each row, default all; what comes out for the others means nothing.
            documents: (batch, time) ids of packed documents: a token attends only inside its own. A token with id -1
                is masked: none but itself attends to it. Positions run on through the row.

        Raises:
            InputError: if the row is longer than ``max_positions``, or ``documents`` come with a cache.
            CacheError: if a slot does not exist, comes twice, or has no room.
        """
        batch, time = tokens.shape
        if cache is not None and documents is not None:
            raise InputError("documents and cache exclude each other: a slot of a cache holds one document")
        if cache is None and (slots is not None or lengths is not None):
            raise InputError("slots and lengths need a cache: without one, padding on the right is never attended to")
        if time > self.config.max_positions:
            raise InputError(f"a row has {time} tokens; the model takes max_positions={self.config.max_positions}")

        append, mask = None, None
        positions = torch.arange(time, device=tokens.device)[None]  # (batch or 1, time)
        if cache is not None:
            append = cache.append(batch, time, slots, lengths)
            positions = append.positions
            mask = append.mask()
        if documents is not None:
            mask = document_mask(documents)
        rotation = rotary(positions, self.config.head_dim, self.config.rope_theta)

        x: Tensor = self.embed_tokens(tokens)  # (batch, time, hidden)
        for layer, block in enumerate(self.layers):
            x = block(x, rotation, mask, append, layer)
        if append is not None:
            append.commit()
        states: Tensor = self.norm(x)
        return states

    def head(self, states: Tensor) -> Tensor:
        """Score the vocabulary from final states: (…, hidden) to (…, vocab)."""
        logits: Tensor = self.embed_tokens.compare(states) if self.lm_head is None else self.lm_head(states)
        return logits

    def reset_parameters(self) -> None:
        """Draw fresh weights: normal, with less (or nothing) where a projection adds to the residual stream.

        Each of the 2 L projections adds its variance to the stream; scaling them by 1 / sqrt(2 L) keeps the sum
        independent of depth (Radford et al., 2019).
        """
        config = self.config
        residual_std = 0.0 if config.zero_init else config.init_std / math.sqrt(2 * config.layers)
        for name, parameter in self.matrices():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)
            elif name == "lm_head.weight" and config.zero_init:
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=config.init_std)

    def matrices(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the parameters that are matrices, embedding and untied head included; the others are norms' gains."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.ndim == 2)


def rotary(positions: Tensor, head_dim: int, theta: float) -> Rotation:
    """Cosines and sines that turn feature pairs by position x theta^(-2i / head_dim); always fp32."""
    pairs = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    frequencies = 1.0 / theta ** (pairs / head_dim)  # (head_dim / 2,)
    angles = positions[:, None, :, None].float() * frequencies  # (batch or 1, 1, time, head_dim / 2)
    angles = torch.cat((angles, angles), dim=-1)  # feature i is paired with i + head_dim / 2
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each feature pair of (batch, heads, time, head_dim) by its position's angle."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


def document_mask(documents: Tensor) -> Tensor:
    """Who sees whom among packed documents: ids (batch, time) to booleans (batch, 1, time, time).

    A token sees itself, and the earlier ones of its own document; one with id -1 sees itself alone, so that no row of
    the softmax is empty.
    """
    time = documents.shape[1]
    query, key = documents[:, :, None], documents[:, None, :]
    causal = torch.ones(time, time, dtype=torch.bool, device=documents.device).tril()
    itself = torch.eye(time, dtype=torch.bool, device=documents.device)
    return ((causal & (query == key) & (key >= 0)) | itself)[:, None]
