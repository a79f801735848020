"""Folders of real and broken files: what is read, what becomes a problem, what stays out."""

import contextlib
import csv
import dataclasses
import gzip
import io
import os
import zipfile
from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib import pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from graft.backends.loaders.decoding import decode
from graft.backends.loaders.load_docx import DocxLoader
from graft.backends.loaders.load_html import HtmlLoader
from graft.backends.loaders.load_pdf import PdfLoader
from graft.backends.loaders.load_table import CsvLoader, JsonlLoader, row_text
from graft.backends.loaders.load_text import TextLoader
from graft.errors import DataError
from graft.retrieval.documents import load_documents
from graft.retrieval.files import find, scan
from graft.testing.retrieval import LoaderConformance
from graft.types import Document


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def load(loader, path) -> Document:
    (made,) = loader.load(path, "id")
    return made


def make_pdf(path, pages, **options):
    drawing = canvas.Canvas(str(path), pagesize=A4, **options)
    for lines in pages:
        y = 780
        for size, text, bold in lines:
            drawing.setFont("Helvetica-Bold" if bold else "Helvetica", size)
            drawing.drawString(60, y, text)
            y -= size * 1.2
        drawing.drawString(60, 20, f"Acme, page {drawing.getPageNumber()}")
        drawing.showPage()
    drawing.save()
    return path


def make_docx(path):
    made = docx.Document()
    made.core_properties.title = "Leave policy"
    made.core_properties.author = "HR"
    made.add_heading("Leave", 1)
    made.add_paragraph("Annual leave is 25 days.")
    made.add_paragraph("passport", style="List Bullet")
    made.add_paragraph("ticket", style="List Bullet")
    table = made.add_table(rows=2, cols=2)
    for at, text in enumerate(["Grade", "Limit", "L1", "EUR 100"]):
        table.cell(at // 2, at % 2).text = text
    made.add_heading("Travel", 2)
    made.add_paragraph("Book early.")
    made.save(path)
    return path


# --- the suites ------------------------------------------------------------------------------------------------------


class TestTextLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return TextLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return write(
            tmp_path / "a.md",
            "---\nteam: people\nsince: 2024-05-01\n---\n# Leave\r\n\r\nAnnual leave is 25 days.\r\n",
        )

    @pytest.fixture
    def bad_file(self, tmp_path):
        return write(tmp_path / "a.md", bytes(range(256)) * 4)


class TestHtmlLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return HtmlLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return write(tmp_path / "a.html", "<title>T</title><p>Annual leave</p>")

    @pytest.fixture
    def bad_file(self, tmp_path):
        return write(tmp_path / "a.html", "<nav>menu</nav><script>x</script>")


class TestPdfLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return PdfLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return make_pdf(tmp_path / "a.pdf", [[(11, "Annual leave is 25 days.", False)]])

    @pytest.fixture
    def bad_file(self, tmp_path):
        whole = make_pdf(tmp_path / "whole.pdf", [[(11, "text", False)]])
        return write(tmp_path / "a.pdf", whole.read_bytes()[:300])


class TestDocxLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return DocxLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return make_docx(tmp_path / "a.docx")

    @pytest.fixture
    def bad_file(self, tmp_path):
        return write(tmp_path / "a.docx", make_docx(tmp_path / "whole.docx").read_bytes()[:2000])


class TestCsvLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return CsvLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return write(tmp_path / "a.csv", "Kind,Days\nAnnual leave,25\n")

    @pytest.fixture
    def bad_file(self, tmp_path):
        return write(tmp_path / "a.csv", "a,b\n" + "x" * 200_000)


class TestJsonlLoader(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return JsonlLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        return write(
            tmp_path / "a.jsonl",
            '{"id": "1", "title": "T", "text": "Annual leave"}\n{"id": 2, "title": "U", "text": "b"}\n',
        )

    @pytest.fixture
    def bad_file(self, tmp_path):
        return write(tmp_path / "a.jsonl", '{"id": 1}\nnot json\n[1]\n')


# --- formats ---------------------------------------------------------------------------------------------------------


def test_front_matter_becomes_metadata_and_the_body_starts_behind_it(tmp_path):
    text = (
        "---\ntitle: Leave policy\nteam: [hr, legal]\nsince: 2024-05-01\nlevel: 3\n---\n\n# Leave\n\nText.\n"
    )
    made = load(TextLoader(), write(tmp_path / "leave.md", text))
    assert (made.text, made.title, made.text[made.body :]) == (text, "Leave policy", "\n# Leave\n\nText.\n")
    assert made.metadata == {
        "type": ".md", "title": "Leave policy", "team": ["hr", "legal"], "since": "2024-05-01", "level": 3,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["---\n\nA rule above.\n\n---\n\nMore.", "--- not\nfront", "---\nno end"])
def test_a_rule_is_not_front_matter(tmp_path, text):
    made = load(TextLoader(), write(tmp_path / "a.md", text))
    assert (made.body, made.metadata) == (0, {"type": ".md"})


@pytest.mark.parametrize("matter", ["a: [1, 2", "a: b: c", "a: &x [1]\nb: *x", "key: value\n\tbad: x"])
def test_broken_front_matter_names_its_line(tmp_path, matter):
    path = write(tmp_path / "a.md", f"---\n{matter}\n---\ntext")
    with pytest.raises(DataError, match=r"a\.md:\d+: the front matter"):
        load(TextLoader(), path)


@pytest.mark.parametrize(("text", "title"), [
    ("# Top\ntext", "Top"), ("Intro\n\n## Second\n", "Second"), ("Title\n=====\ntext", "Title"), ("no heading", "annual report 2024"),
])  # fmt: skip
def test_titles(tmp_path, text, title):
    assert load(TextLoader(), write(tmp_path / "annual-report_2024.md", text)).title == title


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"]
)
def test_encodings(tmp_path, encoding):
    text = "Überstunden für Grüße: 25 % café\nzweite Zeile\n"
    assert decode(text.replace("\n", "\r\n").encode(encoding), tmp_path / "a.txt") == text


OLD = {
    "Отпуск составляет двадцать восемь календарных дней в году.": ["koi8_r", "cp1251", "cp866", "iso8859_5"],
    "Щорічна відпустка становить двадцять чотири дні.": ["cp1251", "koi8_u"],
    "Η ετήσια άδεια είναι είκοσι πέντε ημέρες το χρόνο.": ["cp1253", "iso8859_7"],
    "الإجازة السنوية خمسة وعشرون يوما في السنة.": ["cp1256"],
    "有給休暇は年間二十日です。申請は二週間前までに行ってください。": ["cp932"],
    "员工每年有十五天年假。申请应提前两周提交给主管审批。": ["gb18030"],
    "員工每年有十五天年假。申請應提前兩週提交。": ["big5"],
    "직원은 매년 십오 일의 연차 휴가를 받습니다. 신청은 두 주 전에 해야 합니다.": ["cp949"],
    "The probation period lasts three months.": ["utf-16-le", "utf-16-be"],
}


@pytest.mark.parametrize(
    ("text", "encoding"), [(text, name) for text, names in OLD.items() for name in names]
)
def test_old_encodings_are_told_by_the_language_that_comes_out(tmp_path, text, encoding):
    assert decode(f"{text}\n2024: 28 km\n".encode(encoding), tmp_path / "a.txt").splitlines()[0] == text


def test_a_file_of_two_encodings_is_read_line_by_line(tmp_path):
    data = "Café\n".encode() + "Größe: 5 €\n".encode("cp1252") + b"plain\n"
    assert decode(data, tmp_path / "a.txt") == "Café\nGröße: 5 €\nplain\n"


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_text_or_refused(data):
    with contextlib.suppress(DataError):
        assert isinstance(decode(data, Path("a.txt")), str)


def test_html_keeps_the_content_and_its_structure(tmp_path):
    page = """<html lang="en"><head><title>Travel policy - Acme</title><meta name="team" content="office">
    <meta name="viewport" content="x"><style>p{}</style></head><body><header>Acme</header><nav>Home</nav>
    <main><header><h1>Travel policy</h1></header><p>Book   <b>early</b>.<br>Always.</p>
    <ul><li>passport</li><li>ticket <ul><li>seat</li></ul></li></ul>
    <table><tr><th>Grade</th><th>Limit</th></tr><tr><td>L1</td><td>EUR | 100</td></tr></table>
    <p hidden>secret</p><p style="display: none">secret</p><pre>a\n  b</pre></main>
    <aside>ad</aside><form>login</form><footer>imprint</footer><script>x()</script></body></html>"""
    made = load(HtmlLoader(), write(tmp_path / "a.html", page))
    assert made.title == "Travel policy"
    assert made.metadata == {"type": ".html", "team": "office", "lang": "en"}
    assert made.text == (
        "# Travel policy\n\nBook early.\nAlways.\n\n- passport\n- ticket\n  - seat\n\n"
        "| Grade | Limit |\n| --- | --- |\n| L1 | EUR \\| 100 |\n\n```\na\n  b\n```\n"
    )


def test_html_nested_without_end_is_a_problem_not_a_crash(tmp_path):
    write(tmp_path / "deep.html", "<div>" * 50_000 + "text")
    loaded = load_documents([tmp_path])
    assert len(loaded.documents) + len(loaded.problems) == 1


def test_pdf_joins_lines_finds_headings_and_drops_footers(tmp_path):
    body = [
        (18, "Travel policy", True),
        (11, "Everybody who travels for the company books trains early, because early tickets", False),
        (11, "are cheaper, and keeps all receipts for the reim-", False),
        (11, "bursement.", False),
    ]
    pages = [body, [(11, "Second page.", False)], [(11, "Third page.", False)]]
    path = make_pdf(tmp_path / "a.pdf", pages)
    made = load(PdfLoader(), path)
    assert made.text == (
        "# Travel policy\n\nEverybody who travels for the company books trains early, because early tickets are "
        "cheaper, and keeps all receipts for the reimbursement.\n\nSecond page.\n\nThird page.\n\n"
    )
    assert [made.text[at : at + 6] for at in made.pages] == ["# Trav", "Second", "Third "]
    assert (made.title, made.metadata["pages"]) == ("Travel policy", 3)


def test_pdf_encrypted_or_without_text_says_so(tmp_path):
    locked = pdfencrypt.StandardEncryption("secret", canPrint=0)
    with pytest.raises(DataError, match="password"):
        load(PdfLoader(), make_pdf(tmp_path / "a.pdf", [[(11, "x", False)]], encrypt=locked))
    drawing = canvas.Canvas(str(tmp_path / "scan.pdf"))
    drawing.rect(10, 10, 100, 100)
    drawing.save()
    with pytest.raises(DataError, match="without a text layer"):
        load(PdfLoader(), tmp_path / "scan.pdf")


def test_docx_keeps_order_and_structure(tmp_path):
    made = load(DocxLoader(), make_docx(tmp_path / "a.docx"))
    assert made.text == (
        "# Leave\n\nAnnual leave is 25 days.\n\n- passport\n- ticket\n\n| Grade | Limit |\n| --- | --- |\n"
        "| L1 | EUR 100 |\n\n## Travel\n\nBook early.\n"
    )
    assert (made.title, made.metadata["author"]) == ("Leave policy", "HR")


def test_docx_zip_bomb_and_old_word_are_refused(tmp_path):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", b"0" * (30 * 2**20))
    with pytest.raises(DataError, match="zip bomb"):
        load(DocxLoader(), write(tmp_path / "a.docx", bomb.getvalue()))
    with pytest.raises(DataError, match="before 2007"):
        load(DocxLoader(), write(tmp_path / "b.docx", b"\xd0\xcf\x11\xe0" + b"x" * 600))


def test_docx_entities_are_not_resolved(tmp_path):
    secret = write(tmp_path / "secret.txt", "TOP SECRET")
    whole = make_docx(tmp_path / "whole.docx")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "xxe.docx", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "word/document.xml":
                text = data.decode().replace("Book early.", "&e;")
                head, _, rest = text.partition("?>")
                data = f"{head}?>{entity}{rest}".encode()
            new.writestr(name, data)
    loaded = load_documents([tmp_path / "xxe.docx"])
    assert not any("SECRET" in document.text for document in loaded.documents)


def test_csv_rows_explain_themselves(tmp_path):
    made = load(
        CsvLoader(),
        write(tmp_path / "travel-limits.csv", 'Grade;Limit;Note\nL1;100;\nL2;250;"a;b\nc";extra\n\n'),
    )
    assert made.text == "Grade: L1; Limit: 100\n\nGrade: L2; Limit: 250; Note: a;b c; column 4: extra\n"
    assert (made.title, made.metadata) == (
        "travel limits",
        {"type": ".csv", "columns": ["Grade", "Limit", "Note"], "rows": 2},
    )


@pytest.mark.parametrize(("early", "shown", "quote"), [
    ('"a, b",c', "said: a, b; by: c", '"'),
    ("it's 'x',d", "said: it's 'x'; by: d", '"'),
    ("'tis, x',d", "said: 'tis; by: x'; column 3: d", '"'),
    ("'a, b',c", "said: a, b; by: c", "'"),
])  # fmt: skip
def test_csv_quotes_far_down_are_read_as_such(tmp_path, early, shown, quote):
    rows = ["said,by", *[early] * 2000, f"{quote}He said {quote * 2}yes, now{quote * 2} to it{quote},last"]
    made = load(CsvLoader(), write(tmp_path / "a.csv", "\n".join(rows)))
    first, *_, last = made.text.rstrip("\n").split("\n\n")
    assert (first, last) == (shown, f"said: He said {quote}yes, now{quote} to it; by: last")


@given(st.lists(st.lists(st.text("ab \"',\n", max_size=8), min_size=2, max_size=2), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_what_csv_writes_is_read_back(tmp_path_factory, rows):
    packed = io.StringIO()
    csv.writer(packed, quoting=csv.QUOTE_ALL).writerows([["one", "two"], *rows])
    made = load(CsvLoader(), write(tmp_path_factory.mktemp("csv") / "a.csv", packed.getvalue()))
    wanted = [row_text(["one", "two"], row) for row in rows if any(map(str.strip, row))]
    assert made.text == ("\n\n".join(wanted) or "one; two") + "\n"


def test_jsonl_keeps_good_lines_and_names_bad_ones(tmp_path):
    lines = '{"id": "a", "text": "one", "metadata": {"team": "x"}}\nnot json\n{"id": "b"}\n\n{"text": "two \\ud800"}\n'
    write(tmp_path / "docs" / "records.jsonl.gz", gzip.compress(lines.encode()))
    loaded = load_documents([tmp_path / "docs"])
    assert [(d.id, d.text, d.metadata) for d in loaded.documents] == [
        ("a", "one", {"type": ".jsonl", "team": "x"}), ("records.jsonl.gz#5", "two \ufffd", {"type": ".jsonl"}),
    ]  # fmt: skip
    (problem,) = loaded.problems
    assert "2 lines were left out" in problem.reason
    assert "gz:2:" in problem.reason
    assert "gz:3:" in problem.reason


def test_records_without_an_id_have_their_line_for_one(tmp_path):
    given = ['"id": 0, ', '"id": "", ', '"id": null, ', "", '"id": "0a", ']
    write(tmp_path / "a.jsonl", "\n".join(f'{{{one}"text": "x"}}' for one in given))
    made = [document.id for document in JsonlLoader().load(tmp_path / "a.jsonl", "a.jsonl")]
    assert made == ["0", "a.jsonl#2", "a.jsonl#3", "a.jsonl#4", "0a"]


def test_a_bad_record_costs_no_other(tmp_path):
    lines = [
        '{"id": "a\\ud83d", "text": "zero"}',
        '{"id": "b", "text": "one"}',
        '{"id": "c"}',
        '{"id": "d", "text": "two"}',
    ]
    write(tmp_path / "records.jsonl", "\n".join(lines))
    loaded = load_documents([tmp_path])
    assert [document.id for document in loaded.documents] == ["b", "d"]
    (problem,) = loaded.problems
    assert 'records.jsonl:3: no "text"' in problem.reason
    assert problem.reason.endswith(
        "1 of its documents were left out: a? contains characters that are not Unicode."
    )


def test_metadata_is_unicode_too(tmp_path):
    broken = '{"wh\\ud83do": "\\ud83d", "in": {"who": ["a\\ud83d", 1, null]}, "whole": "\\ud83d\\ude00"}'
    write(tmp_path / "a.jsonl", f'{{"id": "a", "text": "one", "metadata": {broken}}}\n')
    write(tmp_path / "b.md", '---\nwho: "a\\uD83D"\n"k\\uD83D": 1\n---\ntext\n')
    loaded = load_documents([tmp_path])
    assert [document.metadata for document in loaded.documents] == [
        {"type": ".jsonl", "wh\ufffdo": "\ufffd", "in": {"who": ["a\ufffd", 1, None]}, "whole": "\U0001f600"},
        {"type": ".md", "who": "a\ufffd", "k\ufffd": 1},
    ]


def test_what_the_store_could_not_write_is_left_out(tmp_path):
    """A loader of somebody else's may clean nothing: one value must not fail the build."""
    given = [
        Document(id=one, text="t", title="t", source="", metadata={"who": [one]}) for one in ("a\ud83d", "b")
    ]
    given[0] = dataclasses.replace(given[0], id="a")
    write(tmp_path / "a.x", "a")
    loaded = load_documents([tmp_path], loaders={"given": Given(*given)})
    assert [document.id for document in loaded.documents] == ["b"]
    assert ["a contains characters that are not Unicode" in one.reason for one in loaded.problems] == [True]


class Given:
    """Yields the documents it is given, then raises what it is given."""

    suffixes = (".x",)

    def __init__(self, *documents, then=None):
        self.documents, self.then = documents, then

    def load(self, path, document_id):
        del path, document_id
        yield from self.documents
        if self.then:
            raise self.then


@pytest.mark.parametrize(("texts", "good", "reason"), [
    (["a", "b"], 2, None),
    ([], 0, "contains no text."),
    ([" "], 0, "contains no text."),
    (["a", " ", "b"], 2, "1 of its documents were left out: 1 contains no text."),
    ([" ", "\ud800"], 0, "2 of its documents were left out: 0 contains no text; 1 contains characters that are not Unicode."),
    ([" "] * 7, 0, "7 of its documents were left out: " + "; ".join(f"{at} contains no text" for at in range(5)) + " … and 2 more."),
])  # fmt: skip
def test_what_a_loader_makes_is_read_to_the_end(tmp_path, texts, good, reason):
    loader = Given(*(Document(id=str(at), text=text, title="t", source="") for at, text in enumerate(texts)))
    write(tmp_path / "a.x", "a")
    loaded = load_documents([tmp_path], loaders={"given": loader})
    assert len(loaded.documents) == good
    assert [problem.reason for problem in loaded.problems] == ([reason] if reason else [])


def test_a_cut_gzip_file_is_a_problem(tmp_path):
    write(tmp_path / "good.md", "text")
    write(tmp_path / "cut.jsonl.gz", gzip.compress(b'{"id": 1, "text": "x"}\n' * 1000)[:-20])
    loaded = load_documents([tmp_path])
    assert [(d.id, len(loaded.problems)) for d in loaded.documents] == [("good.md", 1)]


# --- folders ---------------------------------------------------------------------------------------------------------


def test_ids_are_paths_below_the_root_and_sources_below_the_base(tmp_path):
    write(tmp_path / "docs" / "people" / "leave.md", "leave")
    write(tmp_path / "docs" / "a.txt", "a")
    loaded = load_documents(["docs"], base=tmp_path)
    assert [(d.id, d.source) for d in loaded.documents] == [
        ("a.txt", "docs/a.txt"),
        ("people/leave.md", "docs/people/leave.md"),
    ]


def test_include_and_exclude(tmp_path):
    for name in ("a.md", "b.txt", "drafts/c.md", "x/drafts/d.md", "x/e.md", "notes.tmp.md"):
        write(tmp_path / name, name)
    names = lambda **globs: [d.id for d in load_documents([tmp_path], **globs).documents]  # noqa: E731
    assert names(include=["*.md"]) == ["a.md", "drafts/c.md", "notes.tmp.md", "x/drafts/d.md", "x/e.md"]
    assert names(include=["**/*.md"], exclude=["**/drafts/**", "*.tmp.md"]) == ["a.md", "x/e.md"]
    assert names(include=["./x/**"]) == ["x/drafts/d.md", "x/e.md"]
    assert names(include=["?.[!m]*"]) == ["b.txt"]


def test_a_bad_file_is_one_problem_and_never_the_end(tmp_path):
    write(tmp_path / "good.md", "good text")
    write(tmp_path / "empty.md", "")
    write(tmp_path / "blank.md", "---\na: 1\n---\n \n")
    write(tmp_path / "fake.pdf", "this is no PDF")
    write(tmp_path / "fake.docx", "this is no zip")
    write(tmp_path / "binary.txt", bytes(range(256)))
    write(tmp_path / "big.txt", "x" * 2000)
    write(tmp_path / "picture.png", "png")
    loaded = load_documents([tmp_path], base=tmp_path, max_bytes=1000)
    assert [d.id for d in loaded.documents] == ["good.md"]
    assert sorted(p.path for p in loaded.problems) == [
        "big.txt", "binary.txt", "blank.md", "empty.md", "fake.docx", "fake.pdf",
    ]  # fmt: skip
    assert all(p.reason and p.hint for p in loaded.problems)
    assert loaded.skipped == {".png": 1}


def test_a_crashing_loader_costs_its_file_only(tmp_path):
    class Broken:
        suffixes = (".bad",)

        def load(self, path, document_id):
            raise KeyError("inside")

    write(tmp_path / "a.bad", "x")
    write(tmp_path / "b.md", "text")
    loaded = load_documents([tmp_path], loaders={"text": TextLoader(), "broken": Broken()})
    assert [d.id for d in loaded.documents] == ["b.md"]
    assert "KeyError" in loaded.problems[0].reason


def test_duplicate_ids_are_problems(tmp_path):
    write(tmp_path / "x" / "a.md", "first")
    write(tmp_path / "y" / "a.md", "second")
    loaded = load_documents([tmp_path / "x", tmp_path / "y"])
    assert [d.text for d in loaded.documents] == ["first"]
    assert "'a.md' is already taken" in loaded.problems[0].reason


def test_overlapping_roots_read_a_file_once(tmp_path):
    write(tmp_path / "x" / "a.md", "text")
    loaded = load_documents([tmp_path, tmp_path / "x"])
    assert ([d.id for d in loaded.documents], loaded.problems) == (["x/a.md"], ())


def test_dotfiles_links_out_and_special_files_stay_out(tmp_path):
    outside = write(tmp_path / "outside.md", "secret")
    docs = tmp_path / "docs"
    write(docs / "a.md", "a")
    write(docs / ".hidden.md", "h")
    write(docs / ".git" / "b.md", "b")
    (docs / "link.md").symlink_to(outside)
    (docs / "dangling.md").symlink_to(tmp_path / "nowhere.md")
    (docs / "circle.md").symlink_to(docs / "circle.md")
    write(docs / "~$a.docx", "what Word writes beside a document that is open")
    (docs / "round").symlink_to(docs)
    (docs / "python").symlink_to("/usr/bin/env")  # of no kind that is read: nobody misses it
    (docs / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(docs / "pipe.md")
    loaded = load_documents([docs], base=tmp_path)
    assert [d.id for d in loaded.documents] == ["a.md"]
    assert {p.path: p.reason for p in loaded.problems} == {
        "docs/circle.md": "it is a link to nothing.",
        "docs/dangling.md": "it is a link to nothing.",
        "docs/elsewhere": "it is a link to a folder, and such are not entered.",
        "docs/link.md": "it is a link that leads out of the folder.",
    }
    assert load_documents([docs], exclude=["link.md", "dangling.md", "circle.md", "elsewhere"]).problems == ()
    assert (loaded.problems, loaded.skipped) == (scan([docs], base=tmp_path, suffixes=(".md",)).problems, {})
    seen = [
        find(docs / name, docs, base=tmp_path, suffixes=(".md",))
        for name in ("circle.md", "dangling.md", "elsewhere", "link.md", "python", "round")
    ]
    assert seen == [*loaded.problems, None, None]
    assert find(docs / "~$a.docx", docs, suffixes=(".docx",)) is None


def test_missing_and_empty_roots_are_errors(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_documents([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="no files"):
        load_documents([tmp_path])
    write(tmp_path / "a.png", "x")
    with pytest.raises(DataError, match="1 files of other kinds"):
        load_documents([tmp_path])


def test_scan_lists_without_opening(tmp_path):
    path = write(tmp_path / "a.pdf", "not a pdf, never opened")
    (found,) = scan([tmp_path], suffixes=(".pdf",)).files
    assert (found.id, found.path, found.size, found.modified) == ("a.pdf", path, 23, path.stat().st_mtime)
