"""The README of an exported model: what it is, how it is asked, how it is served, how to check that it says the same.

Text only. What stands here was filled in from the export itself; commands are those of vLLM, llama.cpp and transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.protocols import Exported
from graft.types import Message

CHECK = "check.jsonl"
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the values that --max-lora-rank takes
_MERGED_ONLY = (
    '## vLLM, llama.cpp\n\nNeither: this adapter holds the change of whole weights (`method = "full"`) with a scale of its own for each '
    "layer (`alpha_pattern`), which both pass over, and would say something else. Export it merged for them."
)


@dataclass(frozen=True, slots=True)
class Card:
    """All that the README tells. `asked` are the messages of one of the checked questions, `max_tokens` the longest answer;
    `wide` says that the adapter holds whole weights (method = "full")."""

    name: str
    variant: str
    facts: Sequence[tuple[str, str]]
    asked: Sequence[Message]
    max_tokens: int
    temperature: float
    exported: Exported
    wide: bool


def card(given: Card) -> str:
    """Return the README."""
    merged = given.exported.same is not None
    parts = [
        f"# {given.name}, the variant {given.variant}",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in given.facts)]),
        _how_asked(given),
        _transformers(given.exported, merged),
        _vllm(given, merged),
        _llama_cpp(given, merged),
        _check(given),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how_asked(given: Card) -> str:
    system, *between, last = given.asked
    example = (
        ""
        if not between
        else f"\n\nThe {len(between)} turns between them are the conversation so far, unchanged."
    )
    passages = (
        " The passages are those that the search found for the question: without a search in front, this model is not the "
        'variant that was measured. GRAFT\'s own can stay there: in `[generation.model]` set `name = "openai"` and the '
        "`base_url` of this model's server, and the variant rag is this one."
        if given.variant == "hybrid"
        else ""
    )
    return (
        "## How it is asked\n\n"
        "It was trained and measured on exactly these messages, rendered with the chat template in this folder. The system message:\n\n"
        f"{_block(system.content)}\n\n"
        f"and the user's, here as one of the questions in {CHECK}:\n\n{_block(last.content)}{example}\n\n"
        f"{'Sampled at' if given.temperature else 'Greedy decoding:'} temperature {given.temperature:g}, at most {given.max_tokens} tokens; an answer ends at "
        f"{' or '.join(f'`{one}`' for one in given.exported.stop)}.{passages}"
    )


def _transformers(exported: Exported, merged: bool) -> str:
    load = (
        'model = AutoModelForCausalLM.from_pretrained(".", dtype="auto")'
        if merged
        else f'model = AutoModelForCausalLM.from_pretrained("{exported.base}", dtype="auto")\n'
        'model = PeftModel.from_pretrained(model, ".")'
    )
    imports = "" if merged else "from peft import PeftModel\n"
    switches = "".join(f", {name}={value}" for name, value in exported.switches.items())
    end = "" if merged else f", eos_token_id=tokenizer.convert_tokens_to_ids({list(exported.stop)})"
    return (
        "## transformers\n\n```python\n"
        f"import json\n\n{imports}from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained(".")\n{load}\n'
        f'with open("{CHECK}", encoding="utf-8") as lines:\n'
        "    rows = [json.loads(line) for line in lines]\n"
        "for row in rows:\n"
        "    prompt = tokenizer.apply_chat_template(\n"
        f'        row["messages"], add_generation_prompt=True, return_dict=True, return_tensors="pt"{switches}\n'
        "    )\n"
        f'    said = model.generate(**prompt, max_new_tokens=row["max_tokens"], do_sample=False{end})\n'
        '    text = tokenizer.decode(said[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)\n'
        '    print(text == row["answer"], text)\n'
        "```"
    )


def _vllm(given: Card, merged: bool) -> str:
    exported = given.exported
    if given.wide and not merged:
        return _MERGED_ONLY
    command = f"vllm serve . --served-model-name {given.name}"
    if not merged:
        rank = next((size for size in _VLLM_RANKS if size >= exported.rank), exported.rank)
        command = (f"vllm serve {exported.base} --enable-lora --max-lora-rank {rank} \\\n"
                   f"  --lora-modules {given.name}=.")  # fmt: skip
    # chat_template_kwargs is vLLM's extension of the API
    switches = f', "chat_template_kwargs": {json.dumps(exported.switches)}' if exported.switches else ""
    return (
        f"## vLLM\n\n```\n{command}\n```\n\n"
        f'Ask `/v1/chat/completions` with `"model": "{given.name}", "temperature": {given.temperature:g}, '
        f'"max_tokens": {given.max_tokens}{switches}` and the messages above.'
    )


def _llama_cpp(given: Card, merged: bool) -> str:
    base = given.exported.base
    if given.wide and not merged:
        return ""
    named = f"--base {base}" if Path(base).is_absolute() else f"--base-model-id {base}"
    command = (
        "python convert_hf_to_gguf.py . --outfile model.gguf --outtype f16\nllama-server -m model.gguf --jinja"
        if merged
        else f"python convert_lora_to_gguf.py . {named} --outfile adapter.gguf\n"
        "llama-server -m base.gguf --lora adapter.gguf --jinja"
    )
    return (
        f"## llama.cpp\n\n```\n{command}\n```\n\n"
        "The scripts come with llama.cpp and know the tokenizers of common models. `--jinja` renders the chat template of this folder. "
        "Quantising further changes answers: check again."
    )


def _check(given: Card) -> str:
    return (
        "## Does it say the same?\n\n"
        f"{CHECK} holds {len(given.exported.answers)} questions of the project with their messages and what GRAFT's model answered, greedily. Put them to "
        "your server. In 16 bits, and on other hardware, a near tie may fall the other way; most answers should be the same word for "
        f"word. The file and this page quote the project's questions{' and documents' if given.variant == 'hybrid' else ''}: leave them out "
        "of what you publish."
    )


def _block(text: str) -> str:
    """Return the text as a code block that nothing in it can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
