"""Hugging Face's models and ours compute the same logits, whichever side they come from."""

import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_core.adapt.lora import attach_lora
from llm_core.compress.int8 import quantize_int8
from llm_core.interop.architectures import ARCHITECTURES, InteropError, architecture_of
from llm_core.interop.huggingface import SpecialTokens, export_huggingface, import_huggingface
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer

AutoConfig: Any = transformers.AutoConfig
AutoModelForCausalLM: Any = transformers.AutoModelForCausalLM
AutoTokenizer: Any = transformers.AutoTokenizer
Model = TypeVar("Model", bound=torch.nn.Module)

SPECIAL = ["<|bos|>", "<|eos|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOKENS = torch.randint(0, 280, (2, 19), generator=torch.Generator().manual_seed(3))
WIDTHS = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


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


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("model_type", [architecture.model_type for architecture in ARCHITECTURES])
def test_their_random_model_gives_our_logits(tmp_path: Path, model_type: str, kv_heads: int, tied: bool) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        **WIDTHS,
        num_key_value_heads=kv_heads,
        head_dim=12,
        tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        rms_norm_eps=1e-5,
        hidden_act="relu2" if model_type in ("arcee", "apertus") else "silu",
    )
    theirs = unsettle(AutoModelForCausalLM.from_config(config)).eval()
    theirs.save_pretrained(tmp_path)
    mine = import_huggingface(tmp_path)
    assert largest_difference(theirs, mine) < 1e-4
    assert mine.config.parameters() == theirs.num_parameters()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("activation", ["swiglu", "relu2"])
def test_our_model_loads_unchanged_and_comes_back(
    tmp_path: Path, tokenizer_file: Path, activation: Any, qk_norm: bool, tied: bool
) -> None:
    mine = ours(activation=activation, qk_norm=qk_norm, tied=tied, kv_heads=2, head_dim=16, rope_theta=5000.0)
    export_huggingface(mine, tmp_path, tokenizer_file=tokenizer_file, chat_template=CHAT)
    theirs, loading = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(theirs).__name__ == architecture_of(mine.config).class_name
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert largest_difference(theirs, mine) < 1e-4
    back = import_huggingface(tmp_path)
    assert back.config == mine.config
    assert torch.equal(back(TOKENS), mine(TOKENS))


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
    assert import_huggingface(tmp_path).embed_tokens.weight.dtype == torch.bfloat16


def test_shards_are_read(tmp_path: Path, tokenizer_file: Path) -> None:
    mine = ours()
    export_huggingface(mine, tmp_path / "whole", tokenizer_file=tokenizer_file)
    AutoModelForCausalLM.from_pretrained(tmp_path / "whole").save_pretrained(tmp_path / "parts", max_shard_size="40KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    assert torch.equal(import_huggingface(tmp_path / "parts")(TOKENS), mine(TOKENS))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; those that our decoder computes are llama, qwen3"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "rope_type is 'llama3'"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"num_hidden_layers": 3}, "weights do not fit"),
        ({"intermediate_size": 8}, "weights do not fit"),
        ({"num_key_value_heads": 3}, "kv_heads is 3"),
    ],
)
def test_what_our_decoder_does_not_compute_is_refused(
    tmp_path: Path, tokenizer_file: Path, change: dict[str, object], complaint: str
) -> None:
    export_huggingface(ours(), tmp_path, tokenizer_file=tokenizer_file)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(InteropError, match=complaint):
        import_huggingface(tmp_path)


def test_pickled_weights_are_never_read(tmp_path: Path, tokenizer_file: Path) -> None:
    export_huggingface(ours(), tmp_path, tokenizer_file=tokenizer_file)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InteropError, match="never pickles"):
        import_huggingface(tmp_path)


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path: Path, tokenizer_file: Path) -> None:
    with pytest.raises(InteropError, match="not the tokenizer that the model was trained with"):
        export_huggingface(ours(vocab_size=100), tmp_path, tokenizer_file=tokenizer_file)
    with pytest.raises(InteropError, match="no token '<s>'"):
        export_huggingface(ours(), tmp_path, tokenizer_file=tokenizer_file, special_tokens=SpecialTokens(bos="<s>"))


def test_only_plain_models_are_exported(tmp_path: Path, tokenizer_file: Path) -> None:
    for model in (quantize_int8(ours()), attach_lora(ours())):
        with pytest.raises(InteropError, match="only plain models"):
            export_huggingface(model, tmp_path, tokenizer_file=tokenizer_file)
