"""What is published about retrieval and tuning, and which of it bears on a situation.

A prior is a rule: when it applies, what it says, whom it favours, and the evidence with source, year and setting. It is
an expectation from other people's data; a comparison on one's own replaces it. Knows no project.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graft.decision.advising.situation import PER_MONTH, Situation

ENOUGH_EXAMPLES = 100
"""From here on tuning for a form is worth a try; 412 examples taught the house format of examples/handbook to 94 % of
its answers (hybrid), on the small model that ships with GRAFT."""
PER_LABEL = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """One published (or own) finding. `setting` says on what it was found: the reader judges how far it carries."""

    claim: str
    source: str
    year: int
    setting: str

    @property
    def text(self) -> str:
        """The finding in one line."""
        return f"{self.claim} ({self.source}, {self.year}; {self.setting})"


OVADIA = Evidence(
    "Retrieval beat unsupervised fine-tuning for known and for new facts; facts were learnt only from many paraphrases.",
    "Ovadia et al., Fine-Tuning or Retrieval?, EMNLP, arXiv 2312.05934",
    2024,
    "multiple choice on MMLU subsets and current events, 7B models",
)
SOUDANI = Evidence(
    "Tuning helped at every popularity, retrieval was far ahead for the least popular facts.",
    "Soudani et al., Fine Tuning vs. RAG for Less Popular Knowledge, arXiv 2403.01432",
    2024,
    "questions about Wikipedia entities, twelve models of 80M to 11B",
)
GEKHMAN = Evidence(
    "Facts new to the model are learnt slowly, and as they are learnt the model makes up more.",
    "Gekhman et al., Does Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?, EMNLP, arXiv 2405.05904",
    2024,
    "closed-book questions on EntityQuestions",
)
BALAGUER = Evidence(
    "Tuning gained 6 points of accuracy and retrieval 5 more on top of it.",
    "Balaguer et al., RAG vs Fine-tuning: ... a Case Study on Agriculture, arXiv 2401.08406",
    2024,
    "one domain, Llama 2 13B to GPT-4, judged by GPT-4",
)
RAFT = Evidence(
    "Training with the retrieved passages, distractors among them, improved answers from retrieved passages on all sets.",
    "Zhang et al., RAFT, arXiv 2403.10131",
    2024,
    "PubMedQA, HotpotQA and Gorilla, Llama 2 7B",
)
LORA_LAND = Evidence(
    "Tuned with 4-bit LoRA, models beat their bases by 34 points and GPT-4 by 10 on average.",
    "Zhao et al., LoRA Land, arXiv 2405.00732",
    2024,
    "31 narrow tasks (labels, extraction, fixed forms), ten models of up to 8B",
)
LIMA = Evidence(
    "1,000 chosen examples taught format and tone; what the model knows came from pre-training.",
    "Zhou et al., LIMA, NeurIPS, arXiv 2305.11206",
    2023,
    "LLaMA 65B, judged by people",
)
BIDERMAN = Evidence(
    "LoRA learns less than full fine-tuning and forgets less of what the model could do before.",
    "Biderman et al., LoRA Learns Less and Forgets Less, TMLR, arXiv 2405.09673",
    2024,
    "programming and mathematics, Llama 2 7B",
)
FINANCEBENCH = Evidence(
    "A search over one shared store doubled the right answers (9 % to 19 %) and quadrupled the wrong ones (3 % to 13 %); "
    "with the right page shown, 85 % were right.",
    "counted from the graded answers of Islam et al., FinanceBench, arXiv 2311.11944",
    2023,
    "150 questions on company filings, GPT-4 Turbo, graded by people",
)
BANKING = Evidence(
    "Tuning on examples of the labels took a model from 0 % to 64 % right; showing it ten examples a label by search, 3 %.",
    "GRAFT's own comparison, docs/benchmarks.md",
    2026,
    "Banking77, 160 test questions, the small model that ships with GRAFT",
)


@dataclass(frozen=True, slots=True)
class Prior:
    """A rule. `favours` and `against` are variants; `tests` is (a, b, metric): the contrast that replaces it when it was
    measured."""

    applies: Callable[[Situation], bool]
    says: str
    favours: tuple[str, ...]
    against: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    tests: tuple[str, str, str] | None = None


def needs_facts(s: Situation) -> bool:
    """Whether the answers rest on what documents say."""
    return bool({"facts", "multi-hop"} & set(s.task or ()))


def needs_form(s: Situation) -> bool:
    """Whether the answers need a form or one of a fixed set."""
    return bool({"style", "labels"} & set(s.task or ()))


def changes(s: Situation) -> bool:
    """Whether what is true changes while answers are given."""
    return PER_MONTH[s.change or "never"] >= 1


def wanted_examples(s: Situation) -> int:
    """How many examples to have before tuning is tried."""
    return max(ENOUGH_EXAMPLES, 10 * PER_LABEL) if "labels" in (s.task or ()) else ENOUGH_EXAMPLES


PRIORS: tuple[Prior, ...] = (
    Prior(
        needs_facts,
        "Facts from documents are looked up rather than learnt by heart.",
        ("rag", "hybrid"),
        ("base", "tuned"),
        (OVADIA, SOUDANI, GEKHMAN),
        ("rag", "tuned", "truthfulness"),
    ),
    Prior(
        lambda s: changes(s) and needs_facts(s),
        "What changes is indexed again in minutes; a tuned model knows the day on which it was trained.",
        ("rag", "hybrid"),
        ("tuned",),
        (OVADIA,),
    ),
    Prior(
        lambda s: bool(s.cite),
        "Only a variant that searches can name its source.",
        ("rag", "hybrid"),
        ("base", "tuned"),
        (FINANCEBENCH,),
    ),
    Prior(
        lambda s: "style" in (s.task or ()),
        "A form or tone is learnt from some hundred good examples; a search does not teach it.",
        ("tuned", "hybrid"),
        ("base", "rag"),
        (LIMA, BIDERMAN),
        ("hybrid", "rag", "format"),
    ),
    Prior(
        lambda s: "labels" in (s.task or ()),
        "One of a fixed set of labels is behaviour: tuning learns it, and the prompt gets short.",
        ("tuned",),
        ("base", "rag"),
        (LORA_LAND, BANKING),
        ("tuned", "rag", "truthfulness"),
    ),
    Prior(
        lambda s: needs_facts(s) and needs_form(s),
        "Facts and form together: search for the one, tune for the other, on prompts that hold retrieved passages.",
        ("hybrid",),
        (),
        (BALAGUER, RAFT),
        ("hybrid", "rag", "truthfulness"),
    ),
    Prior(
        lambda s: needs_facts(s) and (s.in_documents or 0.0) < 0.5,
        "Where fewer than half of the answers stand in the documents, no search finds them: complete the documents first.",
        (),
        ("rag", "hybrid"),
        (FINANCEBENCH,),
    ),
    Prior(
        lambda s: (s.wrong or 0.0) > (s.right or 1.0),
        "Where a wrong answer costs more than a right one brings, count wrong answers, not right ones: a search can "
        "raise both.",
        (),
        (),
        (FINANCEBENCH,),
        ("rag", "base", "truthfulness"),
    ),
    Prior(
        lambda s: needs_form(s) and (s.examples or 0) < wanted_examples(s),
        "There are too few examples to tune on: show the nearest ones in the prompt first (the few-shot arm measures that).",
        (),
        ("tuned", "hybrid"),
        (LIMA,),
    ),
    Prior(
        lambda s: needs_form(s) and changes(s) and s.relabel in ("never", "yearly"),
        "The form is learnt from examples whose facts go stale, and nobody is there to write new ones: keep facts out of "
        "what is tuned.",
        ("hybrid",),
        ("tuned",),
        (GEKHMAN,),
    ),
)
"""The rules, in the order in which they are printed."""
