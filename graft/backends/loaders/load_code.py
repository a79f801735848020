"""Source code: each top-level definition a section of its own, the code itself fenced line by line.

Python is cut by its own parser, other languages by the shape of their definitions: a line at a known depth that begins
one. Comments and decorators right above a definition belong to it. Knows nothing of what calls what.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from graft.backends.loaders.decoding import decode
from graft.errors import DataError
from graft.types import Document

_WORDS = r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|override|virtual|inline|"
_WORDS += r"pub(?:\([^)]*\))?|unsafe|const|sealed|data|open|partial|extern|synchronized|native|declare|local|constexpr) +)*"
# `kind name`, the kind being a word that only ever begins a definition.
_KEYWORD = re.compile(
    rf"(?P<indent>[ \t]*){_WORDS}(?P<kind>class|interface|struct|enum|trait|impl|module|namespace|object|record|protocol|"
    r"extension|function|func|fn|fun|def|sub|type|union|CREATE(?: OR REPLACE)? (?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|INDEX))\b"
    r"\*?(?:\s*<[^>]*>)?\s*(?:IF NOT EXISTS )?(?:\([^)]*\)\s*)?(?P<name>[\w.$:~\"`\[\]<>, ]*[\w\"`\]>])",
    re.IGNORECASE,
)
# C, C++, Java and C#: `type name(…) {` at the margin or one level in, not a statement.
_SIGNATURE = re.compile(
    rf"(?P<indent>[ \t]{{0,8}}){_WORDS}(?!return\b|if\b|for\b|while\b|switch\b|else\b|new\b|throw\b|case\b|catch\b|using\b)"
    r"[A-Za-z_][\w:<>,.*&\[\]? ]*?[ *&](?P<name>[A-Za-z_~][\w:~]*)\s*\([^;]*\)[^;=]*\{?\s*$"
)
_SHELL = re.compile(r"(?P<indent>[ \t]*)(?:function +)?(?P<name>[\w-]+) *\(\) *\{?")
_ARROW = re.compile(
    r"(?P<indent>)(?:export +)?(?:default +)?(?:const|let|var) +(?P<name>[\w$]+)[^=]*=(?:.*=>|\s*(?:async )?function\b)"
)
_COMMENT = re.compile(r"\s*(?://|/\*|\*|#(?!include|define|if|endif|pragma)|--|;;|@|\[\w|\"\"\"|%)")
_LANGUAGES = {
    "python": ".py .pyi .pyw", "javascript": ".js .mjs .cjs .jsx", "typescript": ".ts .tsx", "java": ".java",
    "kotlin": ".kt", "go": ".go", "rust": ".rs", "c": ".c .h", "cpp": ".cc .cpp .cxx .hpp .hh", "csharp": ".cs",
    "ruby": ".rb", "php": ".php", "swift": ".swift", "scala": ".scala", "bash": ".sh .bash", "sql": ".sql",
    "lua": ".lua", "r": ".r", "julia": ".jl", "perl": ".pl .pm",
}  # fmt: skip
_BY_SUFFIX = {suffix: language for language, suffixes in _LANGUAGES.items() for suffix in suffixes.split()}
_PATTERNS = {
    "c": (_KEYWORD, _SIGNATURE), "cpp": (_KEYWORD, _SIGNATURE), "java": (_KEYWORD, _SIGNATURE),
    "csharp": (_KEYWORD, _SIGNATURE), "bash": (_SHELL,), "javascript": (_KEYWORD, _ARROW), "typescript": (_KEYWORD, _ARROW),
}  # fmt: skip
_FENCES = re.compile(r"`{3,}")
# Minified code: no reader and no search is served by it.
_MAX_LINE = 5000
_MAX_DEFINITION = 400


class CodeLoader:
    """One Document a file, titled by its name."""

    suffixes = tuple(_BY_SUFFIX)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for binary or minified files."""
        source = decode(path.read_bytes(), path)
        language = _BY_SUFFIX[path.suffix.lower()]
        lines = source.split("\n")
        if max(map(len, lines)) > _MAX_LINE:
            raise DataError(
                f"{path}: a line of {max(map(len, lines))} characters: minified or generated.", "Exclude it."
            )
        if not source.strip():
            raise DataError(f"{path}: contains no text.", "Exclude the file.")
        cuts = _python(source) if language == "python" else None
        yield Document(
            id=document_id,
            text=_fenced(lines, _by_shape(lines, language) if cuts is None else cuts, language),
            title=path.name,
            source=str(path),
            metadata={"type": path.suffix.lower(), "language": language},
            modified=path.stat().st_mtime,
        )


Cut = tuple[int, int, str]
"""(line, heading level, name): a section begins at a line, 0-based."""


def _python(source: str) -> list[Cut] | None:
    """Return where definitions begin, methods one level below their class; None when the file does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning about escapes: the author's business
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: list[Cut] = []

    def visit(body: Sequence[ast.stmt], level: int, outer: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)]) - 1
                name = f"{outer}{node.name}"
                found.append((first, level, f"class {name}" if isinstance(node, ast.ClassDef) else name))
                if isinstance(node, ast.ClassDef) and level == 2:
                    visit(node.body, 3, f"{node.name}.")

    visit(tree.body, 2, "")
    return found


def _by_shape(lines: Sequence[str], language: str) -> list[Cut]:
    """Return where definitions seem to begin: at the margin, and one level in below a class."""
    found: list[Cut] = []
    step = 0
    for number, line in enumerate(lines):
        if len(line) > _MAX_DEFINITION:
            continue
        match = next(
            (hit for pattern in _PATTERNS.get(language, (_KEYWORD,)) if (hit := pattern.match(line))),
            None,
        )
        if match is None:
            continue
        indent = len(match["indent"].expandtabs(4))
        if indent and not step:
            step = indent
        if indent == 0 or (found and indent == step):
            kind = (match.groupdict().get("kind") or "").lower()
            name = " ".join(match["name"].split("{")[0].split()).strip(' "`')[:80]
            shown = (
                f"{kind} {name}"
                if kind and kind not in {"function", "func", "fn", "fun", "def", "sub"}
                else name
            )
            found.append((number, 3 if indent else 2, shown))
    return [(_above(lines, line), level, name) for line, level, name in found]


def _above(lines: Sequence[str], line: int) -> int:
    """Return where the comments and attributes right above a definition begin."""
    while line > 0 and _COMMENT.match(lines[line - 1]):
        line -= 1
    return line


def _fenced(lines: Sequence[str], cuts: Sequence[Cut], language: str) -> str:
    """Return the sections, each a heading over its fenced lines. No line of code is lost or changed."""
    longest = max((len(run) for line in lines for run in _FENCES.findall(line)), default=2)
    fence = "`" * (longest + 1)
    blocks: list[str] = []
    bounds = [*cuts, (len(lines), 0, "")]
    for (start, level, name), (end, _, _) in zip([(0, 0, ""), *cuts], bounds, strict=True):
        code = "\n".join(lines[start:end]).strip("\n").rstrip()
        if name and start < end:
            blocks.append(f"{'#' * level} {name}")
        if code.strip():
            blocks.append(f"{fence}{language}\n{code}\n{fence}")
    return "\n\n".join(blocks) + "\n"
