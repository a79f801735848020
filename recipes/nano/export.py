"""A checkpoint → the folder that `AutoModelForCausalLM` and every Llama loader reads."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from recipes.nano.data.tokenizer import END, PAD, wrap
from recipes.nano.model import Nano, Shape, to_llama_state


def llama_config(shape: Shape, tokenizer: Tokenizer) -> LlamaConfig:
    """Describe the network in the ecosystem's words."""
    return LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
        dtype="bfloat16",
    )


def to_llama(model: Nano, tokenizer: Tokenizer, dtype: torch.dtype = torch.bfloat16) -> LlamaForCausalLM:
    """Return the Hugging Face model with these weights."""
    llama = LlamaForCausalLM(llama_config(model.shape, tokenizer)).to(dtype)
    missing, unexpected = llama.load_state_dict(to_llama_state(model), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        msg = f"weights do not fit: missing {missing}, unexpected {unexpected}"
        raise ValueError(msg)
    llama.tie_weights()
    return llama.eval()


def export(model: Nano, tokenizer: Tokenizer, out: Path) -> None:
    """Write config, generation config, safetensors and tokenizer."""
    out.mkdir(parents=True, exist_ok=True)
    llama = to_llama(model, tokenizer)
    llama.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=128,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    llama.save_pretrained(out)
    wrap(tokenizer, model.shape.context).save_pretrained(out, save_jinja_files=False)
