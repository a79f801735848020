"""Damaged copies of real files, and what came of reading them.

    python tests/mutations.py ../shared/data/documents/files --count 1000

A small file of every kind joins those of the folder. Each copy has bits flipped, its end cut off, a stretch zeroed,
doubled or replaced by one of another file; in zip formats half of them are damaged inside a part, with sums that fit, so
that the parser behind the zip reader is reached. Prints how many were read, refused with a reason, or skipped because a
worker hung, crashed or ran out of memory.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import openpyxl
from reportlab.pdfgen import canvas

from graft.retrieval.documents import load_documents
from graft.retrieval.workers import Limits


def small_files(folder: Path) -> dict[str, bytes]:
    """Return a small file of every kind that is read, by name; they are made in `folder`."""
    drawing = canvas.Canvas(str(folder / "a.pdf"))
    for at in range(20):
        drawing.drawString(60, 780 - 14 * at, f"Annual leave is {at} days.   And {at} more.")
    drawing.save()
    book = openpyxl.Workbook()
    for at in range(10):
        book.active.append(["Annual leave", at])
    book.save(folder / "a.xlsx")
    texts = {
        "a.html": "<html><body><h1>Annual leave</h1><table><tr><td>a<td colspan=2>b</table><ul><li>x<ul><li>y</ul></ul></body></html>",
        "a.eml": "From: a@b.c\nSubject: Leave\nContent-Type: text/plain\n\nAnnual leave.\n> old\n",
        "a.mbox": "From x\nFrom: a@b.c\nSubject: One\n\nAnnual leave.\n\nFrom y\nFrom: b@b.c\nSubject: Two\n\nMore.\n",
        "a.xml": "<article><title>Leave</title><sec><title>One</title><p>Annual leave.</p></sec></article>",
        "a.csv": "Kind,Days\nAnnual leave,25\n", "a.md": "---\ntitle: Leave\n---\n# Leave\n\nAnnual.\n",
        "a.py": "def leave():\n    return 25\n", "a.ipynb": '{"cells": [{"cell_type": "markdown", "source": "Annual leave"}]}',
        "a.jsonl": '{"id": "j", "text": "Annual leave"}\n',
        "a.rtf": r"{\rtf1\ansi{\fonttbl{\f0\fcharset204 A;}}\pard Leave \'e9\u8364?\par\trowd\intbl a\cell b\cell\row}",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    word = (
        '<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>Annual leave</w:t></w:r></w:p></w:body></w:document>'
    )
    open_document = '<d:document-content xmlns:d="o" xmlns:t="tx" xmlns:b="tb" xmlns:w="dr"><d:body>{}</d:body></d:document-content>'
    row = '<b:table><b:table-row b:number-rows-repeated="2"><b:table-cell><t:p>Leave</t:p></b:table-cell></b:table-row></b:table>'
    slide = '<p:sld xmlns:p="p" xmlns:a="a"><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>Leave</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packed_texts = {
        "a.docx": {"word/document.xml": word},
        "a.pptx": {
            "ppt/presentation.xml": f'<p:presentation xmlns:p="p" xmlns:r="{office}"><p:sldIdLst><p:sldId r:id="r0"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": f'<Relationships><Relationship Id="r0" Type="{office}/slide" Target="slides/s.xml"/></Relationships>',
            "ppt/slides/s.xml": slide,
        },
        "a.epub": {
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>',
            "p.opf": '<package><manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>',
            "c.xhtml": "<html><body><h2>First</h2><p>Annual leave.</p></body></html>",
        },
        "a.odt": {"content.xml": open_document.format("<d:text><t:h>Leave</t:h><t:p>25 days</t:p></d:text>")},
        "a.ods": {"content.xml": open_document.format(f"<d:spreadsheet>{row}</d:spreadsheet>")},
        "a.odp": {
            "content.xml": open_document.format(f"<d:presentation><w:page><w:frame>{row}</w:frame></w:page></d:presentation>")
        },
    }  # fmt: skip
    for name, parts in packed_texts.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for part, text in parts.items():
                packed.writestr(part, text)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def flip(data: bytes, draw: random.Random, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 4, 32, 256])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(data: bytes, draw: random.Random, other: bytes) -> bytes:
    return data[: draw.randrange(1, len(data))]


def zero(data: bytes, draw: random.Random, other: bytes) -> bytes:
    start, size = draw.randrange(len(data)), draw.choice([1, 16, 512])
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


def double(data: bytes, draw: random.Random, other: bytes) -> bytes:
    start, size = draw.randrange(len(data)), draw.choice([8, 128, 2048])
    return data[:start] + data[start : start + size] * draw.choice([2, 50]) + data[start + size :]


def splice(data: bytes, draw: random.Random, other: bytes) -> bytes:
    start, size = draw.randrange(len(data)), draw.choice([4, 64, 1024])
    from_there = draw.randrange(len(other))
    return data[:start] + other[from_there : from_there + size] + data[start + draw.choice([0, size]) :]


KINDS: Sequence[Callable[[bytes, random.Random, bytes], bytes]] = (flip, cut, zero, double, splice)


def inside(data: bytes, draw: random.Random, other: bytes) -> bytes:
    """Damage one part of a zip file and pack it again, so that its check sums fit."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        names = [entry for entry in old.namelist() if not entry.endswith("/")]
        chosen = draw.choice(
            [name for name in names if name.endswith((".xml", ".rels", "html", ".opf"))] or names
        )
        for name in names:
            part = old.read(name)
            new.writestr(name, draw.choice(KINDS)(part, draw, other) if name == chosen and part else part)
    return made.getvalue()


def mutated(samples: Mapping[str, bytes], count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return (file name, bytes) of `count` damaged copies, the same for the same seed."""
    draw = random.Random(seed)
    names = sorted(samples)
    made = []
    for number in range(count):
        name = names[number % len(names)]
        data, other = samples[name], samples[draw.choice(names)]
        packed = zipfile.is_zipfile(io.BytesIO(data))
        kind = inside if packed and draw.random() < 0.5 else draw.choice(KINDS)
        made.append((f"{number:04d}-{kind.__name__}-{name}", kind(data, draw, other)))
    return made


def outcomes(folder: Path, limits: Limits) -> tuple[Counter[str], list[str]]:
    """Read a folder; return how many files came out how, and the reasons of those that were skipped or failed."""
    loaded = load_documents([folder], limits=limits)
    counts: Counter[str] = Counter()
    reasons = []
    with_documents = {document.source for document in loaded.documents}
    refused = {problem.path: problem for problem in loaded.problems}
    for path in sorted(folder.iterdir()):
        problem = refused.get(path.as_posix())
        if problem is None:
            counts["read" if path.as_posix() in with_documents else "lost"] += 1
        elif problem.reason.startswith("skipped: "):
            counts[problem.reason.split("(")[0].strip(" .")] += 1
            reasons.append(f"{path.name}: {problem.reason}")
        elif problem.reason.startswith("the loader failed"):
            counts["refused, by an exception nobody expected"] += 1
            reasons.append(f"{path.name}: {problem.reason}")
        else:
            counts["read in part" if path.as_posix() in with_documents else "refused with a reason"] += 1
    return counts, reasons


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--keep", type=Path, help="write the damaged files here, and keep them")
    args = parser.parse_args()
    samples = {path.name: path.read_bytes() for path in sorted(args.folder.iterdir()) if path.is_file()}
    with tempfile.TemporaryDirectory() as made:
        samples |= small_files(Path(made))
    with tempfile.TemporaryDirectory() as made:
        folder = args.keep or Path(made)
        folder.mkdir(exist_ok=True)
        for name, data in mutated(samples, args.count, args.seed):
            folder.joinpath(name).write_bytes(data or b" ")
        started = time.perf_counter()
        counts, reasons = outcomes(folder, Limits(args.seconds, args.memory_mb))
    for outcome, count in counts.most_common():
        print(f"{count:5d}  {outcome}")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{time.perf_counter() - started:.0f} s, largest worker {largest:.0f} MB resident", *reasons, sep="\n"
    )


if __name__ == "__main__":
    main()
