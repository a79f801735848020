"""E-mail: bodies, quotations, attachments and mailboxes; what is hostile in headers stays harmless."""

import email.message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.loaders.load_mail import EmlLoader, MboxLoader, apart
from graft.errors import DataError
from graft.retrieval.reading import read_file
from graft.testing.retrieval import LoaderConformance


def message(text="Annual leave is 25 days.", **headers):
    made = email.message.EmailMessage()
    for name, value in {
        "From": "Ann <ann@x.org>",
        "Subject": "Leave",
        "Date": "Wed, 1 May 2024 09:30:00 +0200",
        **headers,
    }.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def load(loader, path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.as_bytes())
    return list(loader.load(path, "m"))


class TestEml(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return EmlLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        (tmp_path / "a.eml").write_bytes(message().as_bytes())
        return tmp_path / "a.eml"

    @pytest.fixture
    def bad_file(self, tmp_path):
        (tmp_path / "bad.eml").write_text("no headers at all")
        return tmp_path / "bad.eml"


class TestMbox(LoaderConformance):
    @pytest.fixture
    def loader(self):
        return MboxLoader()

    @pytest.fixture
    def good_file(self, tmp_path):
        parts = [b"From ann\n" + message(Message_ID=f"<{name}@x>").as_bytes() + b"\n" for name in "ab"]
        (tmp_path / "a.mbox").write_bytes(b"".join(parts))
        return tmp_path / "a.mbox"

    @pytest.fixture
    def bad_file(self, tmp_path):
        (tmp_path / "bad.mbox").write_text("not a mailbox")
        return tmp_path / "bad.mbox"


def test_who_and_when_are_metadata_and_the_first_lines(tmp_path):
    (made,) = load(EmlLoader(), tmp_path / "a.eml", message(To="Bob <bob@x.org>"))
    assert (
        made.text
        == "From: Ann <ann@x.org>\nTo: Bob <bob@x.org>\nDate: 2024-05-01 09:30:00+02:00\n\nAnnual leave is 25 days.\n"
    )
    assert (made.title, made.metadata) == ("Leave", {
        "type": ".eml", "from": "Ann <ann@x.org>", "to": "Bob <bob@x.org>", "date": "2024-05-01 09:30:00+02:00",
    })  # fmt: skip


def test_plain_text_is_preferred_and_html_read_when_there_is_none(tmp_path):
    both = message("plain")
    both.add_alternative("<p>rich</p>", subtype="html")
    assert load(EmlLoader(), tmp_path / "a.eml", both)[0].text.endswith("\n\nplain\n")
    rich = message()
    rich.set_content("<h1>Leave</h1><ul><li>25 days</ul><script>x</script>", subtype="html")
    assert load(EmlLoader(), tmp_path / "b.eml", rich)[0].text.endswith("\n\n# Leave\n\n- 25 days\n")


@pytest.mark.parametrize(("body", "text"), [
    ("Yes.\n\nOn Monday, Bob <b@x> wrote:\n> May I?\n> > Ask Ann.\n\nRegards", "Yes.\n\n## Earlier message\n\nOn Monday, Bob <b@x> wrote:\n\nMay I?\nAsk Ann.\n\n## Reply\n\nRegards"),
    ("Fine.\n-----Original Message-----\nFrom: Bob\nMay I?", "Fine.\n\n## Earlier message\n\n-----Original Message-----\nFrom: Bob\nMay I?"),
    ("> only quoted", "## Earlier message\n\nonly quoted"), ("a\n\nb", "a\n\nb"), ("", ""),
])  # fmt: skip
def test_quotations_stand_apart(body, text):
    assert apart(body) == text


@given(
    st.lists(
        st.sampled_from(
            [
                "text",
                "> quoted",
                ">> deeper",
                "",
                "On Monday, Bob wrote:",
                "-----Original Message-----",
                "# x",
            ]
        )
    )
)
@settings(deadline=None, max_examples=60)
def test_no_word_of_a_message_is_lost(lines):
    made = apart("\n".join(lines)).split()
    for word in ("text", "quoted", "deeper", "Bob"):
        assert made.count(word) == " ".join(lines).split().count(word)


def test_attachments_are_read_by_their_loader_listed_and_named_plainly(tmp_path):
    mail = message()
    mail.add_attachment("Grade,Limit\nL1,100\n", subtype="csv", filename="../../limits.csv")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    mail.add_attachment(b"%PDF-1.4 broken", maintype="application", subtype="pdf", filename="terms.pdf")
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    made = []
    with pytest.raises(DataError, match=r"1 parts were left out: terms\.pdf"):
        made.extend(EmlLoader().load(tmp_path / "a.eml", "m"))
    assert [(d.id, d.title) for d in made] == [("m", "Leave"), ("m#limits.csv", "limits")]
    assert made[0].text.endswith("Attachments: limits.csv, logo.png, terms.pdf\n")
    assert (made[1].text, made[1].metadata["attached_to"]) == ("Grade: L1; Limit: 100\n", "Leave")
    assert made[1].source == str(tmp_path / "a.eml")


def test_a_mailbox_keeps_ids_when_other_messages_go(tmp_path):
    raw = [
        b"From x\n" + message(f"Text {name}.", Message_ID=f"<{name}@x>").as_bytes() + b"\n" for name in "abc"
    ]
    quoted = b"From x\nFrom: d@x\n\nbegin\n>From the start\n"
    whole = load(MboxLoader(), tmp_path / "a.mbox", b"".join([*raw, quoted]))
    fewer = load(MboxLoader(), tmp_path / "b.mbox", b"".join([raw[0], raw[2], raw[2]]))
    assert [d.id for d in whole][:3] == ["m#a@x", "m#b@x", "m#c@x"]
    assert [d.id for d in fewer] == ["m#a@x", "m#c@x"]
    assert "\nFrom the start" in whole[3].text


def test_an_empty_attachment_costs_nothing_else(tmp_path):
    mails = [message(f"Text {name}.", Message_ID=f"<{name}@x>") for name in "abc"]
    for name, text in (("ATT00001.txt", "\r\n"), ("note.txt", "Bring the ticket.")):
        mails[1].add_attachment(text.encode(), "text", "plain", filename=name)
    (tmp_path / "m.mbox").write_bytes(b"".join(b"From x\n" + mail.as_bytes() + b"\n" for mail in mails))
    read = list(read_file({".mbox": MboxLoader()}, tmp_path / "m.mbox", "m"))
    assert [document.id for document in read] == ["m#a@x", "m#b@x", "m#b@x#note.txt", "m#c@x"]


@pytest.mark.parametrize("header", [
    b"Subject: =?bad?q?x?=", b"Subject: =?utf-8?b?////?=", b"From: \xff\xfe<", b"Date: yesterday", b"Date: Mon, 99 Foo 99999 99:99:99",
    b"Content-Type: text/plain; charset=klingon", b"Content-Type: multipart/mixed; boundary=", b"Content-Type: text/plain; charset=\x00",
    b"Content-Transfer-Encoding: base64", b"To: " + b"a@b.c, " * 2000,
])  # fmt: skip
def test_strange_headers_do_no_harm(tmp_path, header):
    (made,) = load(EmlLoader(), tmp_path / "a.eml", b"From: a@b.c\n" + header + b"\n\nbody\n")
    made.text.encode()
    assert made.metadata["type"] == ".eml"


@pytest.mark.parametrize(("levels", "read"), [(3, True), (200, True), (1500, False)])
def test_messages_in_messages_are_read_to_a_depth(tmp_path, levels, read):
    mail = "Subject: innermost\n\nThe innermost text.\n"
    for level in range(levels):
        mail = f"Subject: level {level}\nContent-Type: message/rfc822\n\n{mail}"
    path = tmp_path / "deep.eml"
    path.write_text(mail)
    if read:
        (made,) = EmlLoader().load(path, "deep")
        assert made.title == f"level {levels - 1}"
        assert ("The innermost text." in made.text) == (levels <= 20)
    else:
        with pytest.raises(DataError, match="nested too deep"):
            list(EmlLoader().load(path, "deep"))
