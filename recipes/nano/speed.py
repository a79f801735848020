"""How fast the shipped model loads, reads and writes on this machine, beside the library's defaults.

python -m recipes.nano.speed --model graft/models/nano --threads 1
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StaticCache

from graft.backends.devices import cpu_has_bf16
from graft.backends.generators.decoding import Decoded, decode_batch
from graft.backends.generators.llama_fast import FastLlama, FastLlamaDecoder

NEW, PROMPT = 128, 1000


def load_seconds(folder: Path) -> dict[str, float]:
    """Time loading in a fresh process, imports apart."""
    code = (
        "import time; a = time.perf_counter(); import torch, transformers; from transformers import AutoModelForCausalLM as M, "
        "AutoTokenizer as T; b = time.perf_counter(); import sys; T.from_pretrained(sys.argv[1]); "
        "M.from_pretrained(sys.argv[1]); print(b - a, time.perf_counter() - b)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    ).stdout
    imports, load = map(float, said.split())
    return {"import_s": round(imports, 2), "load_s": round(load, 2)}


def best(run: Any, times: int = 3) -> float:
    """The fastest of a few runs, in seconds: other processes can only slow one down."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began)
    return min(spent)


@torch.inference_mode()
def static_loop(model: Any, ids: torch.Tensor, new: int, step: Any) -> torch.Tensor:
    """Greedy decoding over a static cache without `generate`'s bookkeeping; `step` maps (token, place) to logits."""
    cache = StaticCache(config=model.config, max_cache_len=ids.shape[1] + new)
    out = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    token = out.logits[:, -1].argmax(-1, keepdim=True)
    made = [token]
    for place in range(ids.shape[1], ids.shape[1] + new - 1):
        token = step(token, cache, torch.tensor([place])).argmax(-1)
        made.append(token)
    return torch.cat(made, dim=1)


def written(model: Any, prompts: list[list[int]]) -> None:
    """Write 128 tokens after each prompt with the decoder that the product loads for a small Llama."""
    options: dict[str, Any] = {
        "stop": frozenset(),
        "limits": [NEW] * len(prompts),
        "temperature": 0.0,
        "seed": 0,
    }
    done = [Decoded() for _ in prompts]
    for _ in decode_batch(FastLlamaDecoder(model), prompts, done, **options):
        pass


@torch.inference_mode()
def read(model: Any, prompts: list[list[int]]) -> torch.Tensor:
    """Read prompts with that decoder."""
    return FastLlamaDecoder(model).prefill(prompts, 1)


def measure(folder: Path) -> dict[str, Any]:
    """Tokens a second: reading a long prompt, and writing 128 tokens after a short one, one stream and a batch of 16."""
    result: dict[str, Any] = {"threads": torch.get_num_threads(), **load_seconds(folder)}
    words = AutoTokenizer.from_pretrained(folder)
    short = torch.randint(5, len(words), (1, 100))
    long = torch.randint(5, len(words), (1, PROMPT))
    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        model.generation_config.eos_token_id = None  # write all 128
        name = str(dtype).removeprefix("torch.")
        with torch.inference_mode():
            result[f"{name} prefill"] = round(PROMPT / best(lambda m=model: m(long, logits_to_keep=1)))
        for label, prompt in (("generate", short), ("generate, batch 16", short.repeat(16, 1))):

            def write(m: Any = model, p: torch.Tensor = prompt) -> None:
                m.generate(p, attention_mask=torch.ones_like(p), max_new_tokens=NEW, min_new_tokens=NEW)

            result[f"{name} {label}"] = round(NEW * prompt.shape[0] / best(write))

        if dtype is torch.float32:  # as the product loads it on a CPU
            own = FastLlama(model, mixed=cpu_has_bf16())
            result["GRAFT reading"] = round(PROMPT / best(lambda m=own: read(m, long.tolist())))
            for label, prompt in (("GRAFT", short), ("GRAFT, batch 16", short.repeat(16, 1))):
                ids = prompt.tolist()
                result[label] = round(NEW * len(ids) / best(lambda m=own, p=ids: written(m, p)))

        def step(token: torch.Tensor, cache: Any, place: torch.Tensor, m: Any = model) -> torch.Tensor:
            return m(token, past_key_values=cache, position_ids=place[None], use_cache=True).logits

        result[f"{name} static loop"] = round(
            NEW / best(lambda m=model, s=step: static_loop(m, short, NEW, s))
        )
        fast = torch.compile(step)
        static_loop(model, short, 4, fast)
        result[f"{name} static loop, compiled"] = round(
            NEW / best(lambda m=model, f=fast: static_loop(m, short, NEW, f))
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("graft/models/nano"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(json.dumps(measure(args.model)))


if __name__ == "__main__":
    main()
