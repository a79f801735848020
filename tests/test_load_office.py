"""Word, slides, sheets, books and OpenDocument: structure, merged cells, limits. Files are written by hand or openpyxl."""

import datetime as dt
import zipfile

import openpyxl
import pytest

from graft.backends.loaders.docx_styles import formatted
from graft.backends.loaders.load_docx import DocxLoader
from graft.backends.loaders.load_epub import EpubLoader
from graft.backends.loaders.load_odp import OdpLoader
from graft.backends.loaders.load_ods import OdsLoader
from graft.backends.loaders.load_odt import OdtLoader
from graft.backends.loaders.load_pptx import PptxLoader
from graft.backends.loaders.load_table import pipe_table, spread
from graft.backends.loaders.load_xlsx import XlsxLoader, shown
from graft.errors import DataError
from graft.testing.retrieval import LoaderConformance

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
RELS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pack(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    return path


def only(loader, path):
    (made,) = loader.load(path, "id")
    return made


# --- Word ------------------------------------------------------------------------------------------------------------


def paragraph(text, style="", numbering=None, level=0):
    listed = (
        f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{numbering}"/></w:numPr>' if numbering else ""
    )
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{listed}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


def word(path, body, notes=""):
    styles = "".join(
        f'<w:style w:styleId="{key}"><w:name w:val="{name}"/>{more}</w:style>'
        for key, name, more in [
            ("H1", "heading 1", ""), ("H2", "heading 2", ""),
            ("Own", "House heading", '<w:basedOn w:val="Base"/>'),
            ("Base", "Base", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'),
            ("Loop", "Loop", '<w:basedOn w:val="Loop"/>'),
        ]
    )  # fmt: skip
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for at, (form, text) in enumerate([("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "(%3)")])
    )
    bullets = '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/></w:lvl>'
    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{levels}</w:abstractNum><w:abstractNum w:abstractNumId="8">{bullets}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
    )
    return pack(path, {
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {W}>{styles}</w:styles>",
        "word/numbering.xml": f"<w:numbering {W}>{numbering}</w:numbering>",
        "word/footnotes.xml": f"<w:footnotes {W}>{notes}</w:footnotes>",
    })  # fmt: skip


def test_word_counts_the_numbers_that_word_shows(tmp_path):
    body = (
        paragraph("Scope", "H1", 1) + paragraph("Terms", "H2", 1, 1) + paragraph("Parties", "H2", 1, 1)
        + paragraph("first", "", 1, 2) + paragraph("second", "", 1, 2) + paragraph("Fees", "H1", 1)
        + paragraph("Rates", "H2", 1, 1) + paragraph("a point", "", 2) + paragraph("Own style", "Own") + paragraph("text", "Loop")
    )  # fmt: skip
    assert only(DocxLoader(), word(tmp_path / "a.docx", body)).text == (
        "# 1 Scope\n\n## 1.1 Terms\n\n## 1.2 Parties\n\n    (a) first\n    (b) second\n\n# 2 Fees\n\n## 2.1 Rates\n\n"
        "- a point\n\n## Own style\n\ntext\n"
    )


def test_word_keeps_controls_insertions_and_boxes_and_drops_what_was_deleted(tmp_path):
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:sdt><w:sdtContent><w:p>{run.format('in a control')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p>{run.format('kept ')}<w:ins>{run.format('new')}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>"
        f"<w:p><w:r><w:pict><w:txbxContent><w:p>{run.format('in a box')}</w:p></w:txbxContent></w:pict></w:r></w:p>"
        f"<w:p>{run.format('# no heading')}</w:p>"
    )
    notes = f'<w:footnote w:id="0"><w:p/></w:footnote><w:footnote w:id="2"><w:p>{run.format("a note")}</w:p></w:footnote>'
    made = only(DocxLoader(), word(tmp_path / "a.docx", body, notes))
    assert made.text == "in a control\n\nkept new\n\nin a box\n\n    # no heading\n\n[^0]: a note\n"


def test_word_merged_cells_stand_in_every_place_they_cover(tmp_path):
    def cell(text, setting=""):
        return f"<w:tc><w:tcPr>{setting}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    rows = [
        cell("Grade") + cell("Limits", '<w:gridSpan w:val="2"/>'),
        cell("L1", '<w:vMerge w:val="restart"/>') + cell("home") + cell("100"),
        cell("", "<w:vMerge/>") + cell("abroad") + cell("250"),
    ]
    table = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert only(DocxLoader(), word(tmp_path / "a.docx", table)).text == (
        "| Grade | Limits | Limits |\n| --- | --- | --- |\n| L1 | home | 100 |\n| L1 | abroad | 250 |\n"
    )


@pytest.mark.parametrize(("number", "form", "shown"), [
    (3, "decimal", "3"), (28, "lowerLetter", "bb"), (4, "upperRoman", "IV"), (1999, "lowerRoman", "mcmxcix"), (0, "upperLetter", "0"),
    (7, "decimalZero", "07"), (7, "chineseCounting", "7"),
])  # fmt: skip
def test_numbers_of_lists(number, form, shown):
    assert formatted(number, form) == shown


def test_an_office_file_with_entities_is_refused(tmp_path):
    body = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><w:document {W}><w:body>&e;</w:body></w:document>'
    with pytest.raises(DataError, match="defines entities"):
        only(DocxLoader(), pack(tmp_path / "a.docx", {"word/document.xml": body}))


def test_a_zip_of_many_parts_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.backends.loaders.archives.MAX_ENTRIES", 3)
    with pytest.raises(DataError, match="4 parts, like a zip bomb"):
        only(DocxLoader(), word(tmp_path / "a.docx", ""))


# --- slides ----------------------------------------------------------------------------------------------------------


def shape(text, kind=None, at=None, more=""):
    mark = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else "<p:nvPr/>"
    place = f'<a:xfrm><a:off x="{at[0]}" y="{at[1]}"/></a:xfrm>' if at else ""
    lines = "".join(f"<a:p>{more}<a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp><p:nvSpPr>{mark}</p:nvSpPr><p:spPr>{place}</p:spPr><p:txBody>{lines}</p:txBody></p:sp>"


def slides(path, *trees, notes=""):
    tree = "<p:sld {ns}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
    ids = "".join(f'<p:sldId r:id="r{at}"/>' for at in range(len(trees)))
    links = "".join(
        f'<Relationship Id="r{at}" Type="{TYPE}/slide" Target="slides/s{at}.xml"/>'
        for at in range(len(trees))
    )
    parts = {
        "ppt/presentation.xml": f"<p:presentation {P}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": f"<Relationships {RELS}>{links}</Relationships>",
    }
    for at, shapes in enumerate(trees):
        parts[f"ppt/slides/s{at}.xml"] = tree.format(ns=P, shapes=shapes)
    if notes:
        link = f'<Relationship Id="n" Type="{TYPE}/notesSlide" Target="../notes/n.xml"/>'
        parts["ppt/slides/_rels/s0.xml.rels"] = f"<Relationships {RELS}>{link}</Relationships>"
        parts["ppt/notes/n.xml"] = tree.format(ns=P, shapes=shape(notes, "body"))
    return pack(path, parts)


def test_slides_are_pages_with_title_list_table_and_notes(tmp_path):
    cells = [["Grade", "Limit"], ["L1", "100"]]
    rows = "".join("<a:tr>" + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{c}</a:t></a:r></a:p></a:txBody></a:tc>" for c in row) + "</a:tr>"
                   for row in cells)  # fmt: skip
    table = f"<p:graphicFrame><p:nvGraphicFramePr/><p:xfrm><a:off x='0' y='900000'/></p:xfrm><a:tbl>{rows}</a:tbl></p:graphicFrame>"
    first = (
        table + shape("right", at=(5_000_000, 600_000)) + shape("left", at=(0, 610_000)) + shape("Annual leave", "title", (0, 0))
        + shape("passport\nticket", "body", (0, 300_000)) + shape("7", "sldNum", (0, 0))
    )  # fmt: skip
    made = only(
        PptxLoader(), slides(tmp_path / "a.pptx", first, shape("Second", "title"), notes="Say hello.")
    )
    assert made.text == (
        "# Annual leave\n\n- passport\n- ticket\n\nleft\n\nright\n\n| Grade | Limit |\n| --- | --- |\n| L1 | 100 |\n\n"
        "## Notes\n\nSay hello.\n\n# Second\n\n"
    )
    assert [made.text[at : at + 8] for at in made.pages] == ["# Annual", "# Second"]
    assert (made.title, made.metadata) == ("Annual leave", {"type": ".pptx", "slides": 2})


# --- sheets ----------------------------------------------------------------------------------------------------------


def test_sheets_are_tables_with_values_as_they_are_shown(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Rates"
    sheet["A1"] = "Travel rates"
    sheet.merge_cells("A1:C1")
    for row in (
        ["Grade", "Share", "From"],
        ["L1", 0.125, dt.datetime.fromisoformat("2024-05-01")],
        ["L2", 1, dt.datetime.fromisoformat("2024-06-01 09:30")],
    ):
        sheet.append(row)
    sheet["B3"].number_format = sheet["B4"].number_format = "0.0%"
    sheet["A7"], sheet["B7"] = "Total", 1234.5
    sheet["B7"].number_format = '"$"#,##0.00'
    sheet["A8"], sheet["B8"] = "Flag", True
    hidden = book.create_sheet("Secret")
    hidden["A1"] = "hidden"
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    made = only(XlsxLoader(), tmp_path / "a.xlsx")
    assert made.text == (
        "## Rates\n\nTravel rates\n\n| Grade | Share | From |\n| --- | --- | --- |\n| L1 | 12.5% | 2024-05-01 |\n"
        "| L2 | 100.0% | 2024-06-01 09:30:00 |\n\n| Total | $1,234.50 |\n| --- | --- |\n| Flag | TRUE |\n"
    )
    assert made.metadata["sheets"] == ["Rates"]


@pytest.mark.parametrize(("pattern", "text"), [
    (r"#,##0.00\ [$€-407]", "-€1,234.50"),
    ("[$£-809]#,##0.00", "-£1,234.50"),
    ("[$$-409]#,##0.00", "-$1,234.50"),
    ("[$€]#,##0", "-€1,234"),
    ("[$CHF-807] #,##0.00", "-CHF 1,234.50"),
    ("[$-409]#,##0.00", "-1234.5"),
    ("[$-409]0.0%", "-123450.0%"),
    ('[$-409]"$"#,##0.00', "-$1,234.50"),
    ("$#,##0.00", "-$1,234.50"),
    ("General", "-1234.5"),
])  # fmt: skip
def test_a_number_has_the_currency_of_its_format(pattern, text):
    assert shown(-1234.5, pattern) == text


def test_spread_fills_what_merged_cells_cover():
    rows = [[("a", 1, 2), ("b", 2, 1)], [("c", 1, 1), ("d", 1, 1)]]
    assert spread(rows) == [["a", "b", "b"], ["a", "c", "d"]]
    assert len(spread([[("x", 10**6, 10**6)]] * 3)[0]) == 500
    assert pipe_table([["a", "b"], ["1|2"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 |  |"


# --- books and OpenDocument --------------------------------------------------------------------------------------------


def epub(path, chapters, **more):
    items = "".join(
        f'<item id="c{at}" href="c{at}.xhtml" media-type="application/xhtml+xml"/>'
        for at in range(len(chapters))
    )
    nav = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    spine = "".join(f'<itemref idref="c{at}"/>' for at in reversed(range(len(chapters))))
    meta = '<dc:title xmlns:dc="d">The leave book</dc:title><dc:creator xmlns:dc="d">Ann</dc:creator>'
    links = "".join(f'<li><a href="c{at}.xhtml">Chapter {at}</a></li>' for at in range(len(chapters)))
    return pack(path, {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="in/p.opf"/></rootfiles></container>',
        "in/p.opf": f"<package><metadata>{meta}</metadata><manifest>{items}{nav}</manifest><spine>{spine}</spine></package>",
        "in/nav.xhtml": f"<html><body><ol>{links}</ol></body></html>",
        **{f"in/c{at}.xhtml": text for at, text in enumerate(chapters)}, **more,
    })  # fmt: skip


def test_books_follow_the_spine_and_name_chapters_by_the_contents(tmp_path):
    chapters = ['<?xml version="1.0"?><html><head><title/></head><body><p>Last.</p></body></html>',
                "<html><body><h2>First</h2><p>Annual leave.</p></body></html>"]  # fmt: skip
    made = only(EpubLoader(), epub(tmp_path / "a.epub", chapters))
    assert made.text == "## First\n\nAnnual leave.\n\n# Chapter 0\n\nLast.\n"
    assert (made.title, made.metadata) == ("The leave book", {"type": ".epub", "author": "Ann"})


def test_protected_books_are_refused(tmp_path):
    locked = '<encryption><EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></EncryptedData></encryption>'
    with pytest.raises(DataError, match="copy-protected"):
        only(EpubLoader(), epub(tmp_path / "a.epub", ["<p>x</p>"], **{"META-INF/encryption.xml": locked}))


ODT = (
    '<d:document-content xmlns:d="o" xmlns:o="of" xmlns:t="tx" xmlns:b="tb"><o:body xmlns:o="of"><o:text>{}</o:text></o:body>'
    "</d:document-content>"
)


def odt(path, body):
    return pack(path, {"content.xml": ODT.format(body)})


def test_odt_headings_lists_and_tables(tmp_path):
    body = (
        '<t:h t:outline-level="2">Annual leave</t:h><t:p>25<t:s t:c="2"/>days<t:line-break/>a year</t:p>'
        "<t:list><t:list-item><t:p>one</t:p><t:list><t:list-item><t:p>deep</t:p></t:list-item></t:list></t:list-item></t:list>"
        '<b:table><b:table-row><b:table-cell b:number-columns-spanned="2"><t:p>Both</t:p></b:table-cell><b:covered-table-cell/></b:table-row>'
        "<b:table-row><b:table-cell><t:p>1</t:p></b:table-cell><b:table-cell><t:p>2</t:p></b:table-cell></b:table-row></b:table>"
        "<t:tracked-changes><t:p>gone</t:p></t:tracked-changes>"
    )
    made = only(OdtLoader(), odt(tmp_path / "a.odt", body))
    assert (
        made.text
        == "## Annual leave\n\n25 days\na year\n\n- one\n  - deep\n\n| Both | Both |\n| --- | --- |\n| 1 | 2 |\n"
    )


ODF = (
    '<d:document-content xmlns:d="o" xmlns:t="tx" xmlns:b="tb" xmlns:w="dr" xmlns:p="pr" xmlns:y="st">'
    '<d:automatic-styles><y:style y:name="off"><y:table-properties b:display="false"/></y:style></d:automatic-styles>'
    "<d:body>{}</d:body></d:document-content>"
)
META = '<d:document-meta xmlns:d="o" xmlns:m="me"><d:meta><m:creator>Ann</m:creator><m:creation-date>2024-05-01</m:creation-date></d:meta></d:document-meta>'


def odf(path, body):
    return pack(path, {"content.xml": ODF.format(body), "meta.xml": META})


def cell(text="", **more):
    given = "".join(f' b:{name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f"<b:table-cell{given}>{f'<t:p>{text}</t:p>' if text else ''}</b:table-cell>"


def row(*cells, times=1):
    return f'<b:table-row b:number-rows-repeated="{times}">{"".join(cells)}</b:table-row>'


def test_ods_sheets_repeats_and_merged_cells(tmp_path):
    rows = (
        row(
            cell("Days", number_columns_spanned=2),
            "<b:covered-table-cell/>",
            cell(number_columns_repeated=16000),
        )
        + row(cell("Ann", number_rows_spanned=2), cell("25"))
        + row("<b:covered-table-cell/>", cell("30"))
        + row(cell(number_columns_repeated=16384), times=3)
        + f"<b:table-row-group>{row(cell('a'), cell('b', number_columns_repeated=2), times=2)}</b:table-row-group>"
        + row(cell(number_columns_repeated=16384), times=99999)
    )
    hidden = f'<b:table b:name="Old" b:style-name="off">{row(cell("secret"))}</b:table>'
    path = odf(
        tmp_path / "a.ods", f'<d:spreadsheet><b:table b:name="Leave">{rows}</b:table>{hidden}</d:spreadsheet>'
    )
    made = only(OdsLoader(), path)
    assert made.text == (
        "## Leave\n\nDays\n\n| Ann | 25 |\n| --- | --- |\n| Ann | 30 |\n\n| a | b | b |\n| --- | --- | --- |\n| a | b | b |\n"
    )
    assert made.metadata == {"type": ".ods", "author": "Ann", "created": "2024-05-01", "sheets": ["Leave"]}


def test_an_ods_that_repeats_without_end_is_refused(tmp_path):
    body = f"<d:spreadsheet><b:table>{row(cell('x', number_columns_repeated=9999), times=99999)}</b:table></d:spreadsheet>"
    with pytest.raises(DataError, match="more than 2000000 cells"):
        only(OdsLoader(), odf(tmp_path / "a.ods", body))


def test_odp_slides_titles_notes_and_furniture(tmp_path):
    def frame(kind, inner):
        return f'<w:frame p:class="{kind}"><w:text-box>{inner}</w:text-box></w:frame>'

    first = (
        frame("outline", "<t:list><t:list-item><t:p>25 days</t:p></t:list-item></t:list>")
        + frame("title", "<t:p>Annual <t:span>leave</t:span></t:p>")
        + frame("page-number", "<t:p>1</t:p>")
        + f"<w:frame><b:table>{row(cell('a'), cell('b'))}{row(cell('1'), cell('2'))}</b:table></w:frame>"
        + f"<p:notes>{frame('notes', '<t:p>Say hello</t:p>')}{frame('page', '<t:p>x</t:p>')}</p:notes>"
    )
    body = f"<d:presentation><w:page>{first}</w:page><w:page><w:g>{frame('', '<t:p>End</t:p>')}</w:g></w:page></d:presentation>"
    made = only(OdpLoader(), odf(tmp_path / "a.odp", body))
    slides = [
        "# Annual leave\n\n- 25 days\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n## Notes\n\nSay hello\n\n",
        "# Slide 2\n\nEnd\n\n",
    ]
    assert (made.title, made.text, made.pages) == ("Annual leave", "".join(slides), (0, len(slides[0])))


def test_odp_shapes_come_as_they_are_seen(tmp_path):
    def placed(text, y, x):
        return f'<w:frame p:y="{y}" p:x="{x}"><t:p>{text}</t:p></w:frame>'

    shapes = placed("right", "50mm", "12cm") + placed("below", "9cm", "1cm") + placed("left", "5.3cm", "1in")
    pages = f"<w:page>{shapes}<p:notes/></w:page><w:page>{shapes}<w:g><t:p>nowhere</t:p></w:g></w:page>"
    made = only(OdpLoader(), odf(tmp_path / "a.odp", f"<d:presentation>{pages}</d:presentation>"))
    assert made.text == (
        "# Slide 1\n\nleft\n\nright\n\nbelow\n\n# Slide 2\n\nright\n\nbelow\n\nleft\n\nnowhere\n\n"
    )


# --- the suites --------------------------------------------------------------------------------------------------------


class Suite(LoaderConformance):
    kind, suffix = None, ""

    @pytest.fixture
    def loader(self):
        return self.kind()

    @pytest.fixture
    def bad_file(self, tmp_path, good_file):
        bad = tmp_path / f"bad{self.suffix}"
        bad.write_bytes(good_file.read_bytes()[: good_file.stat().st_size // 2])
        return bad


class TestPptx(Suite):
    kind, suffix = PptxLoader, ".pptx"

    @pytest.fixture
    def good_file(self, tmp_path):
        return slides(tmp_path / "a.pptx", shape("Annual leave", "title"))


class TestXlsx(Suite):
    kind, suffix = XlsxLoader, ".xlsx"

    @pytest.fixture
    def good_file(self, tmp_path):
        book = openpyxl.Workbook()
        book.active.append(["Annual leave", "25"])
        book.active.append(["x", dt.date(2024, 1, 1)])
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"


class TestEpub(Suite):
    kind, suffix = EpubLoader, ".epub"

    @pytest.fixture
    def good_file(self, tmp_path):
        return epub(tmp_path / "a.epub", ["<p>annual leave</p>"])


class TestOdt(Suite):
    kind, suffix = OdtLoader, ".odt"

    @pytest.fixture
    def good_file(self, tmp_path):
        return odt(tmp_path / "a.odt", "<t:p>annual leave</t:p>")


class TestOds(Suite):
    kind, suffix = OdsLoader, ".ods"

    @pytest.fixture
    def good_file(self, tmp_path):
        body = f"<d:spreadsheet><b:table>{row(cell('annual leave'))}</b:table></d:spreadsheet>"
        return odf(tmp_path / "a.ods", body)


class TestOdp(Suite):
    kind, suffix = OdpLoader, ".odp"

    @pytest.fixture
    def good_file(self, tmp_path):
        page = "<w:page><w:frame><t:p>annual leave</t:p></w:frame></w:page>"
        return odf(tmp_path / "a.odp", f"<d:presentation>{page}</d:presentation>")
