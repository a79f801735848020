"""A project: a folder with a graft.toml, and the verbs as methods.

What each verb does stands in verbs/, one module a verb; what the command line can do, Python can do. Modules of verbs
are imported when they are called, so that opening a project stays instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graft.config import read
from graft.protocols import Filter, Progress
from graft.settings import FILE
from graft.stages import quiet
from graft.types import Answer, Message
from graft.workspace import FOLDER, Workspace

if TYPE_CHECKING:
    from graft.decision.trust import Labelled
    from graft.verbs.advise import Advised
    from graft.verbs.build import BuildReport
    from graft.verbs.calibrate import Calibrated, Selected
    from graft.verbs.check import Checked
    from graft.verbs.comparing.deciding import Decided
    from graft.verbs.drift import Drifted
    from graft.verbs.export import Dtype, Export
    from graft.verbs.gap_loop.turn import Turn
    from graft.verbs.gaps import Gaps
    from graft.verbs.generate_questions import GeneratedQuestions, How
    from graft.verbs.hold_out import HeldOut
    from graft.verbs.import_questions import Imported
    from graft.verbs.index import Indexes
    from graft.verbs.init import Outcome
    from graft.verbs.label import Desk
    from graft.verbs.optimize import Optimized
    from graft.verbs.plan import QuestionPlan
    from graft.verbs.release import Release
    from graft.verbs.sync import Synced
    from graft.wiring.parts import Parts


class Project:
    """A folder with a graft.toml. All state lies in its `.graft/`, which may be deleted and rebuilt at any time."""

    def __init__(self, path: str | Path = ".") -> None:
        """Open the project in a folder, or by its graft.toml. Raises ConfigError when the file is missing or wrong."""
        given = Path(path).expanduser().resolve()
        self.root = given.parent if given.name == FILE else given
        self.config = read(self.root / FILE)

    @staticmethod
    def init(path: str | Path = ".", *, force: bool = False) -> Outcome:
        """Look at a folder of files and write a commented graft.toml that works on it."""
        from graft.verbs.init import init

        return init(Path(path), force=force)

    @staticmethod
    def import_questions(
        source: str | Path,
        to: str | Path = "questions.jsonl",
        *,
        columns: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> Imported:
        """Turn a question set (CSV, SQuAD JSON, JSON Lines) into a questions file. `columns` says what question, answers,
        document … are called there, where that cannot be told."""
        from graft.verbs.import_questions import import_questions

        return import_questions(Path(source), Path(to), columns=columns, force=force)

    def hold_out(self, share: float = 0.3) -> HeldOut:
        """Turn a share of the examples into held-out questions, for a project without any."""
        from graft.verbs.hold_out import hold_out

        return hold_out(self.parts, share)

    @staticmethod
    def advise(
        path: str | Path = ".", *, answers: str | Path | None = None, ask: Callable[[str], str] | None = None
    ) -> Advised:
        """Advise before any data, inside a project or outside one: what to expect, to do, to collect, and its cost."""
        from graft.verbs.advise import advise

        return advise(Path(path), answers=Path(answers) if answers else None, ask=ask)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the project, each built when it is first needed."""
        from graft.wiring.parts import Parts

        return Parts(self.config, self.root, Workspace(self.root / FOLDER))

    def build(self, *, progress: Progress = quiet, retrain: bool = False) -> BuildReport:
        """Index the documents and train the adapters that the variants need; only what changed is done again."""
        from graft.verbs.build import build

        return build(self.parts, progress=progress, retrain=retrain)

    def sync(self, *, progress: Progress = quiet) -> Synced:
        """Bring the index up to date with the documents; nothing is trained."""
        from graft.verbs.sync import sync

        return sync(self.parts, progress=progress)

    def watch(self, *, progress: Progress = quiet, poll: bool = False) -> Iterator[Synced]:
        """Sync, then follow the documents' folders and yield what each set of changes did, until interrupted."""
        from graft.verbs.sync import watch

        return watch(self.parts, progress=progress, poll=poll)

    @cached_property
    def indexes(self) -> Indexes:
        """The versions of the index side by side."""
        from graft.verbs.index import Indexes

        return Indexes(self.parts)

    def plan_build(self) -> dict[str, Any]:
        """Say what `build` would do, how long it would take and what it would cost."""
        from graft.verbs.build import plan

        return plan(self.parts)

    def ask(
        self, question: str | Sequence[Message], *, variant: str | None = None, where: Filter | None = None
    ) -> Answer:
        """Answer a question or a conversation. `variant` defaults to the released, else the
        recommended one; `where` narrows the search."""
        from graft.verbs.ask import ask

        return ask(self.parts, question, variant=variant, where=where)

    def stream(
        self, question: str | Sequence[Message], *, variant: str | None = None, where: Filter | None = None
    ) -> Iterator[str | Answer]:
        """Yield the answer's text as it comes, then the Answer."""
        from graft.verbs.ask import stream

        return stream(self.parts, question, variant=variant, where=where)

    def compare(self, *, progress: Progress = quiet) -> Decided:
        """Put the same held-out questions to every variant; return table, verdict and where the report lies."""
        from graft.verbs.compare import compare

        return compare(self.parts, progress=progress)

    def plan_compare(self) -> dict[str, Any]:
        """Say what `compare` would run, how many tokens, how long and at what cost."""
        from graft.verbs.plan import plan

        return plan(self.parts)

    def plan_questions(self, difference: float = 0.05) -> QuestionPlan:
        """Say how many questions show a true difference of this size in the primary metric."""
        from graft.verbs.plan import plan_questions

        return plan_questions(self.parts, difference)

    def optimize(
        self,
        *,
        minutes: float | None = None,
        train: Sequence[Literal["embedder", "reranker"]] = (),
        write: bool = True,
        cheaper: bool = False,
        progress: Progress = quiet,
    ) -> Optimized:
        """Search better [retrieval] settings on development questions; write them when the held-out ones agree. `train`
        lets an embedder or a reranker compete that is fine-tuned on the examples; `cheaper` also takes what is as good
        for clearly fewer tokens."""
        from graft.verbs.optimize import optimize

        return optimize(
            self.parts, minutes=minutes, train=train, write=write, cheaper=cheaper, progress=progress
        )

    def calibrate(self, target: float = 0.95) -> Calibrated:
        """Choose the least cosine worth answering for on development questions, and judge it on the held-out ones."""
        from graft.verbs.calibrate import calibrated

        return calibrated(self.parts, target=target)

    def calibrate_confidence(self, variant: str, *, progress: Progress = quiet) -> Selected:
        """Choose the least confidence with which an answer of the variant is worth giving, and judge it likewise."""
        from graft.verbs.calibrate import selected

        return selected(self.parts, variant, progress=progress)

    def plan_optimize(
        self, *, minutes: float | None = None, train: Sequence[Literal["embedder", "reranker"]] = ()
    ) -> dict[str, Any]:
        """Say what `optimize` would search, and on what."""
        from graft.verbs.optimize import plan

        return plan(self.parts, minutes=minutes, train=train)

    def gaps(
        self,
        *,
        variant: str | None = None,
        burn: float | None = None,
        out: str | Path | None = None,
        force: bool = False,
        progress: Progress = quiet,
    ) -> Gaps:
        """Find where a variant fails on the development questions; write proposals for review. `burn` first takes that
        share of the held-out questions out of the measurement for good."""
        from graft.verbs.gaps import gaps

        file = Path(out) if out else None
        return gaps(self.parts, variant=variant, burn_share=burn, out=file, force=force, progress=progress)

    def generate_questions(
        self,
        *,
        to: str | Path | None = None,
        count: int = 100,
        unanswerable: float = 0.2,
        multi_document: float = 0.1,
        how: How = "auto",
        force: bool = False,
        progress: Progress = quiet,
    ) -> GeneratedQuestions:
        """Make synthetic questions from the indexed documents: written by the generator where it can, else by rule."""
        from graft.verbs.generate_questions import generate_questions

        return generate_questions(
            self.parts, to=Path(to) if to else None, count=count, unanswerable=unanswerable,
            multi_document=multi_document, how=how, force=force, progress=progress,
        )  # fmt: skip

    def apply_gaps(self, file: str | Path, *, metric: str = "utility", progress: Progress = quiet) -> Turn:
        """Train on the reviewed proposals, measure on held-out questions, and keep it only if `metric` is better."""
        from graft.verbs.gap_loop.turn import apply

        return apply(self.parts, Path(file), metric=metric, progress=progress)

    def drift(
        self,
        live: str | Path | None = None,
        *,
        against: str | Path | None = None,
        since: str | None = None,
        earlier: bool = False,
        progress: Progress = quiet,
    ) -> Drifted:
        """Say whether people still ask what was measured: live questions (a JSON Lines file; default: the server's log)
        against the evaluation questions, another file, or those before `since`."""
        from graft.verbs.drift import drift

        files = [Path(file) if file else None for file in (live, against)]
        return drift(self.parts, files[0], against=files[1], start=since, earlier=earlier, progress=progress)

    def label(self, items: int = 60, *, annotator: str = "me", fresh: bool = False) -> Desk:
        """Draw answers of the last comparison for people to label, or go on with what was drawn."""
        from graft.verbs.label import label

        return label(self.parts, items, annotator=annotator, fresh=fresh)

    def label_page(
        self, desk: Desk, *, port: int = 0, announce: Callable[[str], None] = lambda _: None
    ) -> None:
        """Serve a page for labelling to this machine until interrupted. `announce` gets its address."""
        from graft.verbs.labelling.page import label_page

        label_page(self.parts, desk, port=port, announce=announce)

    def labels(self) -> Labelled:
        """Return what the labels so far make of the last comparison: debiased rates and kappa; no model is asked."""
        from graft.verbs.label import said

        return said(self.parts)

    def recommend(self) -> Decided:
        """Decide again from the last comparison under today's [decision] settings; no model is asked."""
        from graft.verbs.compare import recommend_again

        return recommend_again(self.parts, progress=quiet)

    def check(
        self,
        baseline: str | None = None,
        *,
        variant: str | None = None,
        strict: bool = False,
        progress: Progress = quiet,
    ) -> Checked:
        """Compare today and judge a variant against a stored comparison: a release's number, or a folder's path."""
        from graft.verbs.check import check

        return check(self.parts, baseline, variant=variant, strict=strict, progress=progress)

    def release(self, variant: str | None = None) -> Release:
        """Promote the recommended variant, or the named one: `ask` and `serve` answer with it from now on."""
        from graft.verbs.release import release

        return release(self.parts, variant)

    def rollback(self) -> Release:
        """Bring back what was released before the current release."""
        from graft.verbs.release import rollback

        return rollback(self.parts)

    def export(
        self,
        variant: str | None = None,
        *,
        to: str | Path | None = None,
        adapter_only: bool = False,
        dtype: Dtype = "auto",
    ) -> Export:
        """Write a variant's model so that it runs elsewhere: merged, or as a plain peft adapter. Default: the released one."""
        from graft.verbs.export import export

        return export(
            self.parts, variant, to=Path(to) if to else None, adapter_only=adapter_only, dtype=dtype
        )

    def serve(
        self,
        *,
        variant: str | None = None,
        host: str | None = None,
        port: int | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Serve the variants behind an OpenAI-compatible API until interrupted. `announce` gets address and key."""
        from graft.verbs.serve import serve

        serve(self.parts, variant=variant, host=host, port=port, announce=announce)

    def status(self) -> dict[str, Any]:
        """Return what is built, what is stale, what was measured and what is released."""
        from graft.verbs.status import status

        return status(self.parts)
