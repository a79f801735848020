"""Source code and notebooks: definitions are sections, no line is lost; XML documents and data."""

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.loaders.load_code import CodeLoader
from graft.backends.loaders.load_notebook import NotebookLoader
from graft.backends.loaders.load_xml import XmlLoader
from graft.errors import DataError
from graft.retrieval.blocks import blocks
from graft.testing.retrieval import LoaderConformance

PYTHON = '''"""Leave."""

import os


@cached
def days(grade):
    """Return ```the``` days."""
    return 25


class Policy:
    limit = 3

    async def ask(self):
        def inner():
            pass
        return inner
'''
GO = """package leave

// Days returns them.
func Days(g string) int {
\treturn 25
}

type Policy struct {
\tLimit int
}

func (p *Policy) Ask() {}
"""
JAVA = """package x;

/** A policy. */
public class Policy {
    private int limit = 3;

    // The days.
    public int days(String grade) {
        if (grade == null) {
            return 0;
        }
        return limit;
    }
}
"""


def load(loader, path, text):
    path.write_text(text, encoding="utf-8")
    (made,) = loader.load(path, "x")
    return made


def headings(made):
    return [made.text[block.start : block.end] for block in blocks(made) if block.kind == "heading"]


class TestCode(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return CodeLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        (tmp_path / "a.py").write_text("# annual leave\nx = 1\n")
        return tmp_path / "a.py"

    @pytest.fixture
    def bad_file(self, tmp_path):
        (tmp_path / "bad.js").write_text("x=1;" * 5000)
        return tmp_path / "bad.js"


class TestNotebook(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return NotebookLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        (tmp_path / "a.ipynb").write_text(
            '{"cells": [{"cell_type": "markdown", "source": ["# Annual ", "leave"]}]}'
        )
        return tmp_path / "a.ipynb"

    @pytest.fixture
    def bad_file(self, tmp_path):
        (tmp_path / "bad.ipynb").write_text('{"cells": 3}')
        return tmp_path / "bad.ipynb"


class TestXml(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return XmlLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        (tmp_path / "a.xml").write_text("<article><title>T</title><p>annual leave</p></article>")
        return tmp_path / "a.xml"

    @pytest.fixture
    def bad_file(self, tmp_path):
        (tmp_path / "bad.xml").write_text("<article><title>T</article>")
        return tmp_path / "bad.xml"


@pytest.mark.parametrize(("name", "text", "found"), [
    ("a.py", PYTHON, ["## days", "## class Policy", "### Policy.ask"]),
    ("broken.py", "def days(:\n  pass\nclass Policy:\n  pass\n", ["## days", "## class Policy"]),
    ("a.go", GO, ["## Days", "## type Policy struct", "## Ask"]),
    ("a.java", JAVA, ["## class Policy", "### days"]),
    ("a.ts", "export interface A {}\nexport const days = async (g: string) => 25\n", ["## interface A", "## days"]),
    ("a.rs", "pub fn days() -> u32 { 25 }\nimpl Policy {\n    fn ask(&self) {}\n}\n", ["## days", "## impl Policy", "### ask"]),
    ("a.sql", "CREATE TABLE leave (\n  days INT\n);\n", ["## create table leave"]),
    ("a.sh", "#!/bin/sh\ndays() {\n  echo 25\n}\n", ["## days"]),
    ("a.c", "#include <x.h>\n\nstatic int days(const char *g)\n{\n    return 25;\n}\n", ["## days"]),
    ("plain.lua", "print(25)\n", []),
])  # fmt: skip
def test_definitions_are_sections(tmp_path, name, text, found):
    made = load(CodeLoader(), tmp_path / name, text)
    assert headings(made) == found
    assert made.title == name


def test_comments_and_decorators_belong_to_what_they_stand_above(tmp_path):
    assert "## days\n\n````python\n@cached\ndef days" in load(CodeLoader(), tmp_path / "a.py", PYTHON).text
    assert (
        "## Days\n\n```go\n// Days returns them.\nfunc Days" in load(CodeLoader(), tmp_path / "a.go", GO).text
    )
    assert (
        "### days\n\n```java\n    // The days.\n    public int"
        in load(CodeLoader(), tmp_path / "a.java", JAVA).text
    )


LINES = st.sampled_from(
    [
        "def f():",
        "    return 1",
        "class A:",
        "x = '''",
        "# c",
        "",
        "\tif x:",
        "```",
        "func F() {",
        "}",
        "@d",
        "é = 1",
    ]
)


@given(st.lists(LINES, min_size=1, max_size=30), st.sampled_from([".py", ".go", ".java", ".c", ".sh"]))
@settings(deadline=None, max_examples=60)
def test_no_line_of_code_is_lost(tmp_path_factory, lines, suffix):
    path = tmp_path_factory.mktemp("code") / f"a{suffix}"
    try:
        made = load(CodeLoader(), path, "\n".join(lines))
    except DataError:
        assert not "".join(lines).strip()
        return
    kept = [
        made.text[block.start : block.end].split("\n")[1:-1] for block in blocks(made) if block.kind == "code"
    ]
    assert [line for part in kept for line in part if line.strip()] == [
        line for line in lines if line.strip()
    ]


def test_notebooks_keep_text_code_and_what_was_printed(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Leave\n", "text"]},
        {
            "cell_type": "code",
            "source": "print(25)",
            "outputs": [{"text": ["25\n"]}, {"data": {"image/png": "x"}}],
        },
        {"cell_type": "code", "source": "", "outputs": []},
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": {"language": "python"}}}
    made = load(NotebookLoader(), tmp_path / "a.ipynb", json.dumps(notebook))
    assert made.text == "# Leave\ntext\n\n```python\nprint(25)\n```\n\n```\n25\n```\n"
    assert (made.title, made.metadata["language"]) == ("Leave", "python")


def test_articles_books_and_data(tmp_path):
    article = """<article><front><article-title>Ducks</article-title><contrib-group><contrib><name><surname>Wolf</surname>
        <given-names>Ann</given-names></name></contrib></contrib-group><abstract><p>Short.</p></abstract></front><body><sec><label>1</label>
        <title>Diet</title><p>They eat <italic>grain</italic>.</p><list><list-item><p>corn</p></list-item></list><table><tr><th>a</th>
        <th>b</th></tr><tr><td colspan="2">c</td></tr></table></sec></body></article>"""
    assert load(XmlLoader(), tmp_path / "a.xml", article).text == (
        "# Ducks\n\nAnn Wolf\n\n## Abstract\n\nShort.\n\n## 1 Diet\n\nThey eat grain.\n\n- corn\n\n| a | b |\n| --- | --- |\n| c | c |\n"
    )
    data = (
        '<rates><rate grade="L1"><limit>100</limit></rate><rate grade="L2"><limit>250</limit></rate></rates>'
    )
    assert (
        load(XmlLoader(), tmp_path / "b.xml", data).text == "grade: L1\nlimit: 100\n\ngrade: L2\nlimit: 250\n"
    )


@pytest.mark.parametrize(("written", "shown"), [
    ("<ul><li>plain words</li></ul>", "- plain words"),
    ("<ul><li>Press <uicontrol>OK</uicontrol> to save the file.</li></ul>", "- Press OK to save the file."),
    ("<ul><li>one<ul><li>two <b>b</b></li></ul>then</li><ul><li>three</li></ul></ul>", "- one then\n  - two b\n  - three"),
    ("<ol><li><p>a <i>b</i> c <ul><li>d</li></ul> e</p></li><li>f</li></ol>", "1. a b c e\n  1. d\n2. f"),
    ("<list><title>Steps</title><list-item><p>a</p><p>b</p></list-item></list>", "Steps\n- a b"),
    ("<dl><dt>Leave</dt><dd>25 <b>days</b> a year</dd></dl>", "Leave\n25 days a year"),
    ("<list><list-item><email><ul><li>x</li></ul></email>a</list-item></list>", "- a"),
])  # fmt: skip
def test_lists_keep_every_word_once(tmp_path, written, shown):
    made = load(XmlLoader(), tmp_path / "a.xml", f"<article><front/><sec><p>P.</p>{written}</sec></article>")
    assert made.text == f"P.\n\n{shown}\n"


WORDS = st.text("abcdefgh", min_size=1, max_size=6)
INLINE = st.recursive(
    WORDS, lambda inner: st.tuples(st.sampled_from(["b", "ul"]), st.lists(inner, max_size=3)), max_leaves=8
)


def written(part, number):
    """Write drawn contents as XML, each word with a number of its own."""
    if isinstance(part, str):
        return f" {part}{next(number)} "
    name, inner = part
    held = [written(one, number) for one in inner]
    return f"<{name}>{''.join(f'<li>{one}</li>' if name == 'ul' else one for one in held)}</{name}>"


@given(
    st.lists(INLINE, max_size=4), st.sampled_from(["<article><p>P.</p><ul>{}</ul></article>", "<a>{}</a>"])
)
@settings(deadline=None, max_examples=60)
def test_no_word_of_xml_is_lost_or_doubled(tmp_path_factory, parts, around):
    page = around.format(f"<li>x {written(('b', parts), itertools.count())} y</li>z")
    made = load(XmlLoader(), tmp_path_factory.mktemp("xml") / "a.xml", page)
    wanted = re.sub(r"<[^>]*>", " ", page).split()
    assert sorted(word for word in made.text.split() if word != "-" and not word.endswith(":")) == sorted(
        wanted
    )


def test_data_keeps_the_text_behind_elements(tmp_path):
    page = "<items>Two.<item>See <hi rend='b'>this</hi> page now</item> or <item/></items>"
    made = load(XmlLoader(), tmp_path / "a.xml", page)
    assert made.text == "items: Two.\n\nitem: See\nhi: this\nrend: b\nitem: page now\nitems: or\n"


CONTACT = "<name>Ann</name><email>ann@x.org</email><phone>123</phone>"
FIELDS = "name: Ann\nemail: ann@x.org\nphone: 123"


@pytest.mark.parametrize(("page", "text"), [
    (f"<contacts><contact id='7'>{CONTACT}<note>likes tea</note></contact></contacts>", f"id: 7\n{FIELDS}\nnote: likes tea"),
    *(
        (f"<all><{name}>{CONTACT}<{name}>x y</{name}></{name}></all>", f"{FIELDS}\n{name}: x y")
        for name in ("line", "term", "book", "reference", "task", "article", "section", "title", "head", "list", "code")
    ),
    ("<book><title>Leave</title><publisher>Acme</publisher><volume>3</volume><history>new</history></book>",
     "title: Leave\n\npublisher: Acme\n\nvolume: 3\n\nhistory: new"),
    ("<books><book><title>A</title></book><book><title>B</title></book></books>", "title: A\n\ntitle: B"),
    (f"<all><card>{CONTACT}<p>x y</p></card></all>", f"{FIELDS}\np: x y"),
    (f"<shop><item>{CONTACT}<section><para>x</para></section><metadata>m</metadata></item></shop>",
     f"{FIELDS}\npara: x\nmetadata: m"),
])  # fmt: skip
def test_data_keeps_every_field(tmp_path, page, text):
    made = load(XmlLoader(), tmp_path / "card.xml", page)
    assert (made.text, made.title) == (f"{text}\n", "card")


DITA = '<!DOCTYPE reference PUBLIC "-//OASIS//DTD DITA Reference//EN" "reference.dtd">'


@pytest.mark.parametrize(("name", "page", "text"), [
    ("a.xml", "<root><title>T</title><publisher>Acme</publisher><p>one</p><p>two <b>3</b></p></root>", "# T\n\nAcme\n\none\n\ntwo 3"),
    ("a.xml", "<article><front><volume>3</volume><title>T</title></front><p>one</p></article>", "# T\n\none"),
    ("a.xml", "<set><article><front><volume>3</volume></front><title>T</title><q>one</q></article></set>", "# T\n\none"),
    ("a.xml", "<reference><title>T</title><volume>3</volume></reference>", "title: T\n\nvolume: 3"),
    ("a.dita", "<reference><title>T</title><volume>3</volume></reference>", "# T"),
    ("a.xml", f"{DITA}<reference><title>T</title><volume>3</volume></reference>", "# T"),
    ("a.xml", "<t:TEI xmlns:t='http://www.tei-c.org/ns/1.0'><t:teiHeader><t:title>T</t:title></t:teiHeader><t:ab>one</t:ab></t:TEI>", "one"),
    ("a.xml", "<book><chapter><title>T</title><para>one <email>a@b</email> two</para></chapter></book>", "## T\n\none two"),
])  # fmt: skip
def test_documents_are_known_by_more_than_a_name(tmp_path, name, page, text):
    made = load(XmlLoader(), tmp_path / name, page)
    assert (made.text, made.title) == (f"{text}\n", "a" if text.startswith("title") else "T")


def test_entities_of_xml_are_not_resolved(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    page = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">]><article><p>see &e; here</p></article>'
    assert load(XmlLoader(), tmp_path / "a.xml", page).text == "see here\n"
    laughs = "".join("<!ENTITY l{} '{}'>".format(at, f"&l{at - 1};" * 10) for at in range(1, 10))
    with pytest.raises(DataError, match=r"not well-formed|no text"):
        load(
            XmlLoader(),
            tmp_path / "b.xml",
            f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><article><p>&l9;</p></article>',
        )
