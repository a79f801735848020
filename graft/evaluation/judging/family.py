"""Which family a model belongs to, by its name: a judge favours the answers of its own.

Knows names only; a model under a name of its own is a family of its own.
"""

from __future__ import annotations

import re

# Lines that share a maker and its data, under the name that is told.
_LINES = {
    "gpt": "gpt", "chatgpt": "gpt", "o": "gpt", "davinci": "gpt", "text": "gpt", "ft": "gpt",
    "claude": "claude", "gemini": "gemini", "gemma": "gemini", "palm": "gemini",
    "llama": "llama", "vicuna": "llama", "alpaca": "llama", "tinyllama": "llama", "meta": "llama",
    "mistral": "mistral", "mixtral": "mistral", "ministral": "mistral", "codestral": "mistral", "magistral": "mistral",
    "qwen": "qwen", "qwq": "qwen", "deepseek": "deepseek", "phi": "phi", "nova": "nova", "titan": "nova",
    "command": "command", "aya": "command", "granite": "granite", "smollm": "smollm", "grok": "grok",
}  # fmt: skip


def family(model: str) -> str:
    """Return the family of a model, from its name at an endpoint, on a hub or in a folder; "" for no name."""
    name = model.rstrip("/").rsplit("/", 1)[-1].casefold()
    words = [word for word in re.split(r"[^a-z]+", name) if word]
    return next((_LINES[word] for word in words if word in _LINES), words[0] if words else "")
