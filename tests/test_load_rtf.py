"""RTF: characters in every code page, structure, what is left out, and damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.loaders.load_rtf import RtfLoader, rendered
from graft.backends.loaders.rtf import Reader
from graft.errors import DataError
from graft.testing.retrieval import LoaderConformance


def text_of(body: str) -> str:
    data = rf"{{\rtf1\ansi\ansicpg1252\deff0 {body}}}".encode("latin-1")
    return rendered(Reader().paragraphs(data))


@pytest.mark.parametrize(("body", "text"), [
    (r"Caf\'e9 \u8364?5 \emdash  \ldblquote yes\rdblquote\~x", "Café €5 — “yes” x"),
    (r"{\fonttbl{\f0 Times;}{\f1\fcharset204 Arial;}{\f2\fcharset128 MS;}}\f1\'cf\'f0\'e8 {\f2\'93\'fa\'96\'7b}", "При 日本"),
    (r"\uc2\u955\'3f\'3f b\uc0\u955 c {\uc1 \u-10179?\u-8694?}", "λ bλc 😊"),
    (r"\{a\\b\}\par c\line d\par\par e", "{a\\b}\n\nc\nd\n\ne"),
    (r"{\*\generator Word;}{\pict\pngblip 89504e47}{\header Top}a{\v hidden}{\deleted gone}{\*\new x}\bin3 }}}b", "ab"),
    (r"See {\field{\*\fldinst{HYPERLINK http://x}}{\fldrslt here}} now{\footnote \chftn  Since 2024}.", "See here now (Since 2024)."),
    ("a\r\nb\\\nc \x93d\x94", "ab\n\nc “d”"),
    (r"# no heading\par x", "    # no heading\n\nx"),
])  # fmt: skip
def test_characters_and_what_is_left_out(body, text):
    assert text_of(body) == text


def test_headings_lists_and_tables():
    styles = r"{\stylesheet{\s0 Normal;}{\s1\sbasedon0 heading 1;}{\s7 Heading 2;}}"
    items = (
        r"{\listtext 1.\tab}\pard\ls1\ilvl0 first\par{\listtext\'b7\tab}\ilvl1 deep\par"
        r"{\pntext 2)\tab}\pard second\par\pard "
    )
    table = (
        r"\trowd\intbl a\cell b\cell\row\trowd\pard\intbl 1\par 2\cell {\b 3|4}\cell\row\pard after\par"
        r"\pard\outlinelevel2 Third\par"
    )
    made = text_of(rf"{styles}\pard\s1 One\par\pard text\par\pard\s7 Two\par {items} {table}")
    assert made.split("\n\n") == [
        "# One", "text", "## Two", "1. first\n  - deep\n2) second", "| a | b |\n| --- | --- |\n| 1 2 | 3\\|4 |",
        "after", "### Third",
    ]  # fmt: skip


def test_the_file_says_what_it_is(tmp_path):
    info = r"{\info{\title Annual leave}{\author Ann}{\creatim\yr2024\mo5\dy1\hr9}{\revtim\yr0}{\company X}}"
    path = tmp_path / "a.rtf"
    path.write_text(rf"{{\rtf1 {info} 25 days}}")
    (made,) = RtfLoader().load(path, "id")
    assert (made.title, made.text) == ("Annual leave", "25 days\n")
    assert made.metadata == {"type": ".rtf", "author": "Ann", "created": "2024-05-01"}
    path.write_text("no rich text")
    with pytest.raises(DataError, match="not an RTF file"):
        next(RtfLoader().load(path, "id"))


TOKENS = st.sampled_from(
    [r"{", r"}", r"\par", r"\cell", r"\row", r"\intbl", r"\u955?", r"\u-10179", r"\'e9", r"\'", r"\*", r"{\*\x", "a b",
     r"\bin5 ", r"\bin99999999 ", r"{\fonttbl\f1\fcharset128", r"{\stylesheet\s1 heading 1", r"\s1", r"\ls1", "\\", "\r\n",
     r"{\listtext", r"{\footnote", r"{\info{\creatim\yr99999}", r"\ansicpg65001", r"\uc99", "é", r"\f1", r"\ilvl-3"]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=40).map("".join) | st.text(st.characters(max_codepoint=255), max_size=60))
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_read_without_an_error(body):
    made = text_of(body)
    made.encode()


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=8),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=50)
def test_what_is_written_is_read(words):
    wanted = " ".join(words)
    units = wanted.encode("utf-16-le")
    codes = (int.from_bytes(units[at : at + 2], "little") for at in range(0, len(units), 2))
    written = "".join(rf"\u{code - 65536 if code > 32767 else code}?" for code in codes)
    assert " ".join(text_of(written).split()) == " ".join(wanted.split())


class TestRtf(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return RtfLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        path = tmp_path / "a.rtf"
        path.write_text(r"{\rtf1 annual leave}")
        return path

    @pytest.fixture
    def bad_file(self, tmp_path):
        path = tmp_path / "bad.rtf"
        path.write_text(r"{\rtf1 {\pict 0000}}")
        return path
