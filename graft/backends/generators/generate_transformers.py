"""The generator `transformers`: any local Hugging Face causal model, with or without an adapter.

Greedy or sampled, batched by length, streamed; the model is loaded at the first prompt. With fp32 weights (a small model
on a CPU) and dtype "float32" an answer does not depend on its batch mates but for ties in the last bits; with bf16 in it,
rounding may change a token now and then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graft.backends import devices, models
from graft.backends.generators import chat
from graft.errors import BackendError, Mismatch
from graft.protocols import Exported, Likelihood
from graft.types import Generation, Message, Usage, content_hash

if TYPE_CHECKING:
    from graft.backends.generators.constraints import Format
    from graft.backends.generators.decoding import Decoded, Decoder
    from graft.backends.generators.llama_fast import FastLlama


class TransformersGenerator:
    """Answers prompts with a local model."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`model` is "nano", a folder or a hub id; `adapter` a peft folder; `dtype` and `device` "auto" or torch's
        names. A batch holds at most `batch_size` prompts and `batch_tokens` prompt tokens, padding included."""

        model: str = "nano"
        adapter: str = ""
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
        device: str = "auto"
        load_in_4bit: bool = False
        batch_size: int = 16
        batch_tokens: int = 8192

    def __init__(self, options: Options) -> None:
        self.options = options
        self.fingerprint = content_hash(
            "transformers 1",
            models.base_fingerprint(options.model),
            models.adapter_files_hash(Path(options.adapter)) if options.adapter else "",
            options.dtype,
            str(options.load_in_4bit),
        )

    _free: TransformersGenerator | None = None  # of one that is held to a format: the one that is not
    _keeps: tuple[str, str] | None = None  # its grammar, and what it may say instead

    def constrained(self, contract: Mapping[str, Any], otherwise: str = "") -> TransformersGenerator:
        """Return the same model, held to a format (`graft.protocols.Constrained`). Loads nothing."""
        from graft.backends.generators import constraints

        made = TransformersGenerator(self.options)
        made._free, made._keeps = self._free or self, (constraints.grammar(contract), otherwise)
        made.fingerprint = content_hash(made._free.fingerprint, json.dumps(contract), otherwise)
        return made

    @cached_property
    def loaded(self) -> models.LoadedModel:
        """The model, loaded on first use."""
        given = self.options
        return models.load(
            given.model, given.adapter or None, given.dtype, given.device, load_in_4bit=given.load_in_4bit
        )

    @cached_property
    def context_length(self) -> int:
        """How many tokens the model reads, prompt and answer."""
        return models.context_length(models.locate(self.options.model))

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, which counting needs without the model."""
        if self._free is not None:
            return self._free.tokenizer
        return models.load_tokenizer(models.locate(self.options.model))

    def count_tokens(self, prompt: Sequence[Message]) -> int:
        """Return the exact length of the prompt in tokens, chat template included."""
        return len(chat.encode_prompt(self.tokenizer, prompt))

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Return one Generation a prompt, in order.

        In a batch the timings are each answer's share of the batch's: sums are wall time, and a latency as served needs
        one prompt a call. Raises BackendError for a prompt longer than the model reads.
        """
        from graft.backends.generators.decoding import Decoded, decode_batch

        encoded = [self._encode(prompt) for prompt in prompts]
        results: list[Generation | None] = [None] * len(prompts)
        for batch in self._batches(encoded):
            ids = [encoded[place] for place in batch]
            done = [Decoded() for _ in batch]
            options = self._decoding(ids, max_tokens, temperature, seed)
            for _news in decode_batch(self._decoder(), ids, done, **options):
                pass
            for place, result in zip(batch, done, strict=True):
                text = chat.decode(self.tokenizer, result.tokens)
                results[place] = _generation(text, len(encoded[place]), result)
        return [result for result in results if result is not None]

    def stream(
        self, prompt: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str | Generation]:
        """Yield text as it comes, never half a character, then the Generation."""
        from graft.backends.generators.decoding import Decoded, decode_batch

        ids = self._encode(prompt)
        done = [Decoded()]
        text = chat.TextStream(self.tokenizer)
        parts: list[str] = []
        options = self._decoding([ids], max_tokens, temperature, seed)
        for news in decode_batch(self._decoder(), [ids], done, **options):
            for _row, token in news:
                if delta := text.push(token):
                    parts.append(delta)
                    yield delta
        if rest := text.flush():
            parts.append(rest)
            yield rest
        yield _generation("".join(parts), len(ids), done[0])

    def log_likelihood(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood]:
        """Return how likely the model finds each text as the reply to its prompt, or by itself (`graft.protocols.Scorer`)."""
        from graft.backends.generators.likelihood import encode_reply, encode_text, log_likelihoods

        encoded = [
            encode_reply(self.tokenizer, prompt, text, self.context_length)
            if prompt
            else encode_text(self.tokenizer, text, self.context_length)
            for prompt, text in rows
        ]
        return log_likelihoods(
            self.loaded.model, self.tokenizer.pad_token_id, encoded,
            batch_size=self.options.batch_size, batch_tokens=self.options.batch_tokens,
        )  # fmt: skip

    def export(
        self,
        folder: Path,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        adapter_only: bool = False,
        dtype: str = "auto",
    ) -> Exported:
        """Write the model so that it runs elsewhere (`graft.protocols.Exporter`); "auto" writes the type that it runs in."""
        from graft.backends.trainers import exports

        given, adapter = self.options, Path(self.options.adapter)
        if given.load_in_4bit and not adapter_only:
            raise Mismatch(
                "The base was loaded in 4 bits (load_in_4bit): the adapter merged into 16 or 32 bits would be another model than "
                "the one that was measured.",
                "Export the adapter alone (--adapter-only), or build and compare without load_in_4bit first.",
            )
        # What other programs will say is what fp32 says, not what reading in bf16 may round.
        mixed = self.fast is not None and self.fast.mixed
        exactly = TransformersGenerator(replace(given, dtype="float32")) if mixed else self
        answers = tuple(made.text for made in exactly.generate(prompts, max_tokens=max_tokens))
        kind = str(self.loaded.model.dtype).removeprefix("torch.") if dtype == "auto" else dtype
        parity = None
        if adapter_only:
            exports.copy_adapter(given.model, adapter, folder)
        else:
            parity = exports.merge(
                given.model, adapter, folder, list(zip(prompts, answers, strict=True)), dtype=kind
            )
        return Exported(
            base=str(models.resolve(given.model)),
            dtype=kind if parity else "",
            rank=exports.rank(adapter),
            answers=answers,
            same=parity.same if parity else None,
            difference=parity.difference if parity else None,
            stop=tuple(self.tokenizer.convert_ids_to_tokens(sorted(self.loaded.stop))),
            switches=exports.switches(self.tokenizer),
        )

    def _encode(self, prompt: Sequence[Message]) -> list[int]:
        ids = chat.encode_prompt(self.tokenizer, prompt)
        if len(ids) >= self.context_length:
            raise BackendError(
                f"The prompt has {len(ids)} tokens, but {self.options.model!r} reads {self.context_length} "
                "with the answer.",
                "Show it fewer or shorter passages.",
            )
        return ids

    def _batches(self, encoded: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield the prompts' indices in batches of similar length, the longest first."""
        order = sorted(range(len(encoded)), key=lambda place: (-len(encoded[place]), place))
        batch: list[int] = []
        for place in order:
            width = len(encoded[batch[0]]) if batch else 0
            if batch and (
                len(batch) == self.options.batch_size or width * (len(batch) + 1) > self.options.batch_tokens
            ):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _decoding(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        limits = [max(1, min(max_tokens, self.context_length - len(prompt))) for prompt in prompts]
        options = {"stop": self.loaded.stop, "limits": limits, "temperature": temperature, "seed": seed}
        return options if self._format is None else {**options, "held": self._format.start(len(prompts))}

    @cached_property
    def _format(self) -> Format | None:
        from graft.backends.generators.constraints import Format

        if self._keeps is None:
            return None
        loaded = self.loaded
        vocabulary = loaded.model.get_output_embeddings().weight.shape[0]
        return Format(*self._keeps, tokenizer=loaded.tokenizer, vocabulary=vocabulary, stop=loaded.stop)

    def _decoder(self) -> Decoder:
        from graft.backends.generators.decoding import HFDecoder
        from graft.backends.generators.llama_fast import FastLlamaDecoder

        if self.fast is not None:
            return FastLlamaDecoder(self.fast)
        return HFDecoder(self.loaded.model, self.tokenizer.pad_token_id)

    @cached_property
    def fast(self) -> FastLlama | None:
        """The short decoder, for models it covers that are small enough to be held twice. With dtype "auto" it
        computes in mixed precision where the CPU has bf16."""
        from graft.backends.generators.llama_fast import FastLlama, supports

        if self._free is not None:
            return self._free.fast
        model = self.loaded.model
        if self.options.load_in_4bit or model.num_parameters() >= devices.SMALL or not supports(model):
            return None
        return FastLlama(model, mixed=self.options.dtype == "auto" and devices.cpu_has_bf16())


def _generation(text: str, prompt_tokens: int, result: Decoded) -> Generation:
    return Generation(
        text=text,
        usage=Usage(prompt=prompt_tokens, completion=result.scored),
        finish=result.finish,
        timings={"prefill": result.prefill, "decode": result.decode},
        logprob=result.logprob / max(1, result.scored - result.forced) if result.scored else None,
    )
