"""Messages ↔ tokens through the model's own chat template: the one place where prompts become numbers.

Training, evaluation and serving all encode here, so they cannot differ. Control tokens inside the text of a message
(`<|end|>` in a question or a passage) are encoded as plain text: only the template writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from graft.errors import BackendError, ConfigError
from graft.types import Message

# Models with a thinking mode (Qwen, SmolLM, Granite) answer at once: the answer is what is trained, measured and served.
# Templates without such a variable ignore it.
NO_THINKING = {"enable_thinking": False, "thinking": False}


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a prompt, the opening of the assistant's turn included."""
    return _encode(
        tokenizer, [{"role": turn.role, "content": turn.content} for turn in messages], opening=True
    )


def encode_row(tokenizer: Any, prompt: Sequence[Message], answer: str) -> tuple[list[int], int]:
    """Return the tokens of a prompt with its answer, up to and with the end-of-turn token, and how many of them are
    the prompt.

    Raises BackendError when the prompt's tokens do not begin the whole (the template rewrites history, as templates
    with thinking do), or when the answer is not closed by the end-of-turn token: the loss would fall on wrong tokens.
    """
    opening = encode_prompt(tokenizer, prompt)
    turns = [{"role": turn.role, "content": turn.content} for turn in [*prompt, Message("assistant", answer)]]
    whole = _encode(tokenizer, turns, opening=False)
    if whole[: len(opening)] != opening:
        raise BackendError(
            "The model's chat template does not continue the prompt when the answer is added, so the loss cannot be "
            "put on the answer alone.",
            "Use a model whose template renders past turns unchanged (no thinking blocks), or edit its template.",
        )
    end = end_of_turn(tokenizer)
    if end not in whole[len(opening) :]:
        raise BackendError(f"The end-of-turn token {end} does not close the answer {answer[:60]!r}.",
                           "Check the model's chat template.")  # fmt: skip
    # The answer's own text cannot hold a control token, so the first one closes the turn.
    return whole[: whole.index(end, len(opening)) + 1], len(opening)


def end_of_turn(tokenizer: Any) -> int:
    """Return the id of the token with which the template closes an assistant's turn."""
    return _end_of_turn(_Keyed(tokenizer))


class _Keyed:
    """Makes a tokenizer hashable by what decides the result."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.key = (id(tokenizer), tokenizer.chat_template)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.key == other.key


@lru_cache(maxsize=8)
def _end_of_turn(keyed: _Keyed) -> int:
    tokenizer = keyed.tokenizer
    turns = [{"role": "user", "content": "a"}]
    opening = _encode(tokenizer, turns, opening=True)
    whole = _encode(tokenizer, [*turns, {"role": "assistant", "content": "b"}], opening=False)
    control = set(tokenizer.added_tokens_decoder) | {tokenizer.eos_token_id}
    for token in whole[len(opening) :]:
        if token in control:
            return int(token)
    raise ConfigError(
        "The model's chat template does not close the assistant's turn with a control token.",
        "A model tuned with it would never stop: use an instruct model, or add the token to its template.",
    )


def _encode(tokenizer: Any, turns: list[dict[str, str]], *, opening: bool) -> list[int]:
    if not tokenizer.chat_template:
        raise ConfigError(f"The model {tokenizer.name_or_path!r} has no chat template.",
                          "Use the instruct version of the model.")  # fmt: skip
    ids: list[int] = tokenizer.apply_chat_template(
        turns,
        add_generation_prompt=opening,
        tokenize=True,
        return_dict=False,
        sanitize_control_tokens=True,
        **NO_THINKING,
    )
    return ids


class TextStream:
    """Turns tokens into text as they come, never half a character.

    Decodes a window of the last few tokens twice, without and with the new one, and gives out the difference once it
    ends in a whole character (as in Hugging Face's text-generation-inference): exact for byte-level and for
    SentencePiece vocabularies, where a token's text depends on its left neighbour.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.start = 0
        self.read = 0

    def push(self, token: int) -> str:
        """Return the text that the token completes, often one word, "" in the middle of a character."""
        self.ids.append(token)
        before, after = self._decode(self.start, self.read), self._decode(self.start, len(self.ids))
        if len(after) <= len(before) or after.endswith("\ufffd"):
            return ""
        self.start, self.read = self.read, len(self.ids)
        return after[len(before) :]

    def flush(self) -> str:
        """Return what is left of an unfinished character."""
        before, after = self._decode(self.start, self.read), self._decode(self.start, len(self.ids))
        self.start = self.read = len(self.ids)
        return after[len(before) :]

    def _decode(self, start: int, end: int) -> str:
        return decode(self.tokenizer, self.ids[start:end])


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of the tokens, without control tokens."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text
