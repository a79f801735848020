"""The shipped folder → a GGUF file, and proof that llama.cpp says the same: ids, then greedy text on 20 prompts.

    python -m recipes.nano.gguf_parity --model graft/models/nano --out runs/nano.gguf

Needs the packages `gguf` and `llama-cpp-python` (not dependencies of the product). llama.cpp's own converter would do
as well, once it knows the tokenizer's hash; writing the file takes forty lines.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from recipes.nano.measure import programmatic

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows of a query or key projection from half-split rotary pairs (Hugging Face) to neighbours (llama.cpp)."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def convert(folder: Path, out: Path) -> None:
    """Write an fp32 GGUF file (25 MB): the parity test must not be blurred by another rounding."""
    import gguf
    import torch
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    vocabulary = json.loads((folder / "tokenizer.json").read_text())
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    _add_vocabulary(writer, gguf, vocabulary, config)
    for name, tensor in load_file(folder / "model.safetensors").items():
        weight = tensor.to(torch.float32).numpy()
        writer.add_tensor(_name(name), _arranged(name, weight, config["num_attention_heads"]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _arranged(name: str, weight: np.ndarray, heads: int) -> np.ndarray:
    return interleave(weight, heads) if "q_proj" in name or "k_proj" in name else weight


def _name(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def _add_vocabulary(writer: Any, gguf: Any, vocabulary: dict[str, Any], config: dict[str, Any]) -> None:
    """Write tokens, merges and special tokens; "qwen2" names the split pattern that the tokenizer uses."""
    ids = vocabulary["model"]["vocab"]
    special = {token["id"] for token in vocabulary["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    merges = [m if isinstance(m, str) else " ".join(m) for m in vocabulary["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if ids[t] in special else gguf.TokenType.NORMAL for t in tokens]
    )
    writer.add_token_merges(merges)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)


def parity(folder: Path, path: Path, count: int = 20, new: int = 32) -> dict[str, Any]:
    """Compare token ids of the prompts and greedy continuations; time llama.cpp's generation."""
    import torch
    from llama_cpp import Llama
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    cpp = Llama(str(path), n_ctx=2048, verbose=False, n_threads=torch.get_num_threads())
    same_ids = same_text = made = 0
    seconds = 0.0
    for case in programmatic(count):
        turns = [{"role": m.role, "content": m.content} for m in case.prompt]
        text = words.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = words(text, add_special_tokens=False)["input_ids"]
        same_ids += ids == cpp.tokenize(text.encode(), add_bos=False, special=True)
        batch = torch.tensor([ids])
        ours = model.generate(batch, attention_mask=torch.ones_like(batch), max_new_tokens=new)[
            0, len(ids) :
        ].tolist()
        cpp.reset()
        cpp.eval(ids)
        began = time.perf_counter()
        theirs: list[int] = []
        while len(theirs) < new and (not theirs or theirs[-1] != words.eos_token_id):
            theirs.append(cpp.sample(temp=0.0))
            cpp.eval(theirs[-1:])
        seconds += time.perf_counter() - began
        made += len(theirs)
        same_text += ours == theirs
    return {
        "prompts": count,
        "same_ids": same_ids,
        "same_text": same_text,
        "llama_cpp_tokens_s": round(made / seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("graft/models/nano"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    convert(args.model, args.out)
    print(json.dumps(parity(args.model, args.out)))


if __name__ == "__main__":
    main()
