"""An exported model computes the same logits with Hugging Face's code, and its tokenizer the same tokens."""

import re
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_core.adapt.lora import attach_lora
from llm_core.compress.int8 import quantize_int8
from llm_core.interop.huggingface import ARCHITECTURES, InteropError, export_huggingface
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

AutoModelForCausalLM: Any = transformers.AutoModelForCausalLM
AutoTokenizer: Any = transformers.AutoTokenizer
Model = TypeVar("Model", bound=torch.nn.Module)

SPECIAL = ["<|bos|>", "<|eos|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOKENS = torch.randint(0, 280, (2, 19), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["def add(x, y): return x + y"] * 3, trainer)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(file))
    return file


def ours(**changes: Any) -> Transformer:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 320, "hidden_size": 32, "layers": 2, "heads": 4, "init_std": 0.2}
    return unsettle(Transformer(ModelConfig(**(sizes | changes)))).eval()


def unsettle(model: Model) -> Model:
    """Move every weight, so that gains of one and equal layers hide nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@torch.no_grad()
def largest_difference(theirs: transformers.PreTrainedModel, mine: Transformer) -> float:
    difference: Any = theirs(TOKENS).logits - mine(TOKENS)
    return float(difference.abs().max())


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("activation", ["swiglu", "relu2"])
def test_our_model_loads_unchanged(
    tmp_path: Path, tokenizer_file: Path, activation: Any, qk_norm: bool, tied: bool, kv_heads: int
) -> None:
    mine = ours(activation=activation, qk_norm=qk_norm, tied=tied, kv_heads=kv_heads, head_dim=16, rope_theta=5000.0)
    export_huggingface(mine, tmp_path, tokenizer_file=tokenizer_file, chat_template=CHAT)
    theirs, loading = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(theirs).__name__ == ARCHITECTURES[activation, qk_norm].class_name
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert largest_difference(theirs, mine) < 1e-4
    assert theirs.num_parameters() == sum(parameter.numel() for parameter in mine.parameters())


def test_greedy_generation_is_the_argmax_of_our_logits(tmp_path: Path, tokenizer_file: Path) -> None:
    mine = ours()
    export_huggingface(mine, tmp_path, tokenizer_file=tokenizer_file)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert theirs.generation_config.eos_token_id == [1, 5]
    tokens = TOKENS[:1, :4]
    expected = theirs.generate(tokens, max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=2)
    for _ in range(8):
        tokens = torch.cat((tokens, mine(tokens)[:, -1:].argmax(-1)), dim=1)
    assert tokens.tolist() == expected.tolist()


def test_the_tokenizer_is_the_same_and_knows_its_special_tokens(tmp_path: Path, tokenizer_file: Path) -> None:
    export_huggingface(ours(), tmp_path, tokenizer_file=tokenizer_file, chat_template=CHAT)
    original, loaded = Tokenizer.from_file(str(tokenizer_file)), AutoTokenizer.from_pretrained(tmp_path)
    for text in ("def add(x):  return", "Grüße, 世界 🌊\n\n\ttab", "a<|end|>b", " lead and trail  ", "don 't , no ."):
        ids = loaded(text)["input_ids"]
        assert ids == original.encode(text).ids
        assert loaded.decode(ids) == text
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id) == (0, 1, 2)
    assert set(SPECIAL) <= set(loaded.all_special_tokens)
    assert loaded.model_max_length == 2048


def test_the_chat_template_travels(tmp_path: Path, tokenizer_file: Path) -> None:
    export_huggingface(ours(), tmp_path, tokenizer_file=tokenizer_file, chat_template=CHAT)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    turns = [{"role": "user", "content": "add?"}]
    text = loaded.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "<|bos|><|user|>add?<|end|><|assistant|>"


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, tokenizer_file: Path) -> None:
    for name in ("a", "b"):
        export_huggingface(ours(), tmp_path / name, tokenizer_file=tokenizer_file, chat_template=CHAT)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_bf16_weights_keep_their_dtype(tmp_path: Path, tokenizer_file: Path) -> None:
    export_huggingface(ours().to(torch.bfloat16), tmp_path, tokenizer_file=tokenizer_file)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path: Path, tokenizer_file: Path) -> None:
    with pytest.raises(InteropError, match="not the tokenizer that the model was trained with"):
        export_huggingface(ours(vocab_size=100), tmp_path, tokenizer_file=tokenizer_file)
    other = tmp_path / "other.json"
    other.write_text(tokenizer_file.read_text().replace("<|bos|>", "<s>"))
    with pytest.raises(InteropError, match=re.escape("no token '<|bos|>'")):
        export_huggingface(ours(), tmp_path, tokenizer_file=other)


def test_only_plain_models_are_exported(tmp_path: Path, tokenizer_file: Path) -> None:
    for model in (quantize_int8(ours()), attach_lora(ours())):
        with pytest.raises(InteropError, match="only plain models"):
            export_huggingface(model, tmp_path, tokenizer_file=tokenizer_file)
