"""PDFs: tables with and without lines, columns, running lines, page numbers, scans. Made by reportlab."""

import importlib.util
import io
import random

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from graft.backends.loaders import load_pdf, ocr
from graft.backends.loaders.load_pdf import PdfLoader
from graft.backends.loaders.load_text import unmarked
from graft.errors import DataError

PROSE = "Everybody who travels for the company books trains early, because early tickets are cheaper."


def draw(path, *pages):
    """Write a PDF; a page is a list of (x, y, text) or (x, y, text, size), or ("line", x, y, x, y)."""
    made = canvas.Canvas(str(path), pagesize=A4)
    for page in pages:
        for item in page:
            if item[0] == "line":
                made.line(*item[1:])
                continue
            x, y, text, *size = item
            made.setFont("Helvetica-Bold" if size and size[0] > 11 else "Helvetica", size[0] if size else 10)
            made.drawString(x, y, text)
        made.showPage()
    made.save()
    return path


def load(path):
    (made,) = PdfLoader().load(path, "x")
    return made


def test_a_table_without_lines_keeps_rows_header_and_signs_together(tmp_path):
    page = [
        (60, 700, PROSE), (250, 675, "Three Months"), (350, 675, "Nine Months"), (60, 660, "(In millions)"), (250, 660, "2024"), (350, 660, "2023"),
        (60, 640, "Net sales:"),
        (70, 625, "Products"), (240, 625, "$"), (262, 625, "63,355"), (340, 625, "$"), (362, 625, "(61)"),
        (70, 610, "Services, including the fees for"), (70, 597, "support"), (262, 597, "19,604"), (362, 597, "5,148"),
        (60, 584, "Total"), (262, 584, "82,959"), (362, 584, "66,209"),
        (60, 540, PROSE),
    ]  # fmt: skip
    assert load(draw(tmp_path / "a.pdf", page)).text == (
        f"{PROSE}\n\n| (In millions) | Three Months 2024 | Nine Months 2023 |\n| --- | --- | --- |\n| Net sales: |  |  |\n"
        "| Products | $63,355 | $(61) |\n| Services, including the fees for support | 19,604 | 5,148 |\n| Total | 82,959 | 66,209 |\n\n"
        f"{PROSE}\n\n"
    )


def test_a_ruled_table_keeps_cells_of_several_lines_and_merged_ones(tmp_path):
    rules = [("line", 60, y, 360, y) for y in (700, 680, 640, 620)]
    rules += [("line", x, 620, x, 700) for x in (60, 160, 360)] + [("line", 260, 640, 260, 700)]
    page = [
        *rules, (64, 686, "Grade"), (164, 686, "Limit"), (264, 686, "Approval"), (64, 664, "L1"), (164, 664, "EUR 100"), (264, 664, "none below the"),
        (264, 650, "limit"), (64, 626, "L2"), (164, 626, "see the finance team"),
    ]  # fmt: skip
    assert load(draw(tmp_path / "a.pdf", page)).text == (
        "| Grade | Limit | Approval |\n| --- | --- | --- |\n| L1 | EUR 100 | none below the limit |\n"
        "| L2 | see the finance team | see the finance team |\n\n"
    )


@pytest.mark.parametrize("by_row", [True, False])
def test_columns_are_read_one_after_the_other_however_they_were_written(tmp_path, by_row):
    left = [f"The left column has its own line {at} of text," for at in range(8)]
    right = [f"and the right column has line {at} too, all" for at in range(8)]
    place = {"left": [(60, 700 - 13 * at, text) for at, text in enumerate(left)],
             "right": [(310, 700 - 13 * at, text) for at, text in enumerate(right)]}  # fmt: skip
    pairs = [part for both in zip(place["left"], place["right"], strict=True) for part in both]
    text = load(draw(tmp_path / "a.pdf", pairs if by_row else place["left"] + place["right"])).text
    assert " ".join(text.split()) == " ".join(left + right)


def test_prose_with_wide_gaps_is_no_table(tmp_path):
    draws = random.Random(0)
    words = []
    for row in range(8):
        x = 60.0
        while x < 480:
            words.append((x, 700 - 13 * row, draws.choice(["leave", "of", "absence", "is", "given"])))
            x += 5.2 * len(words[-1][2]) + draws.uniform(10, 16)
    assert "|" not in load(draw(tmp_path / "a.pdf", words)).text


def test_running_lines_and_page_numbers_are_dropped_and_contents_kept_apart(tmp_path):
    pages = []
    for number in range(1, 7):
        chapter = "First things" if number < 4 else "Later things"
        pages.append(
            [
                (60, 800, f"Chapter {chapter} {number}"),
                (60, 700, f"{PROSE} {number}x"),
                (60, 680, "The end of it."),
                (300, 30, str(number)),
            ]
        )
    pages[0] += [(60, 500, "Introduction ............. 3"), (60, 487, "Scope ................ 14")]
    text = load(draw(tmp_path / "a.pdf", *pages)).text
    assert "things" not in text
    assert text.count("The end of it.") == 6
    assert "Introduction ... 3\nScope ... 14" in text


def test_a_sign_at_the_start_of_a_line_makes_no_heading(tmp_path):
    assert (
        load(draw(tmp_path / "a.pdf", [(60, 700, "# generated, do not edit")])).text
        == "    # generated, do not edit\n\n"
    )
    assert unmarked("# a\n#b\n## c\n text") == "    # a\n#b\n    ## c\n text"


def scan(path, *, text_pages=0, scanned=1):
    from PIL import Image, ImageDraw, ImageFont

    made = canvas.Canvas(str(path), pagesize=A4)
    for _ in range(text_pages):
        made.drawString(60, 700, PROSE)
        made.showPage()
    for _ in range(scanned):
        picture = Image.new("L", (1240, 1754), 255)
        ImageDraw.Draw(picture).text(
            (120, 200), "Annual leave is 25 days", fill=0, font=ImageFont.load_default(48)
        )
        data = io.BytesIO()
        picture.save(data, "PNG")
        data.seek(0)
        made.drawImage(ImageReader(data), 0, 0, *A4)
        made.showPage()
    made.save()
    return path


def test_a_scan_says_how_to_read_it(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setattr(ocr, "available", lambda: False)
    with pytest.raises(DataError, match="1 pages without a text layer") as caught:
        load(scan(tmp_path / "a.pdf"))
    assert "pip install 'graft-llm[ocr]'" in caught.value.hint
    made = []
    with pytest.raises(DataError, match="1 of 2 pages are pictures without text: 2"):
        made.extend(PdfLoader().load(scan(tmp_path / "b.pdf", text_pages=1), "x"))
    assert [document.text for document in made] == [f"{PROSE}\n\n"]


def test_what_ocr_finds_is_laid_out_like_other_text(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    lines = [
        ("Leave policy", 200, 200, 700, 280),
        ("Annual leave is 25 days, and", 200, 400, 1500, 440),
        ("more later.", 200, 450, 500, 490),
    ]
    monkeypatch.setattr(ocr, "available", lambda: True)
    monkeypatch.setattr(load_pdf.ocr, "recognise", lambda picture: lines if picture.shape[2] == 3 else [])
    assert (
        load(scan(tmp_path / "a.pdf")).text
        == "# Leave policy\n\nAnnual leave is 25 days, and more later.\n\n"
    )


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="the extra `ocr` is not installed")
def test_real_ocr_reads_a_scan(tmp_path):
    assert "Annual leave is 25 days" in load(scan(tmp_path / "a.pdf")).text
