"""Outlook's messages: what becomes of their properties, which a small writer of compound files lays down here."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.loaders.load_msg import MsgLoader
from graft.errors import DataError
from graft.testing.retrieval import LoaderConformance

_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
Tree = Mapping[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """Return a compound file ([MS-CFB], version 3) of storages and short streams, 64 kB at most."""
    entries: list[list] = [
        ["Root Entry", 5, _FREE, _FREE, _FREE, 0, 0]
    ]  # name, type, left, right, child, start, size
    mini, links = bytearray(), []

    def add(into: int, held: Tree) -> None:
        before = None
        for name in sorted(held, key=lambda name: (len(name), name.upper())):
            at, value = len(entries), held[name]
            entries.append([name, 2 if isinstance(value, bytes) else 1, _FREE, _FREE, _FREE, 0, 0])
            if before is None:
                entries[into][4] = at
            else:
                entries[before][3] = at
            before = at
            if isinstance(value, bytes):
                entries[at][5:] = [len(mini) // 64 if value else _END, len(value)]
                blocks = -(-len(value) // 64)
                links.extend([*range(len(links) + 1, len(links) + blocks), _END] if blocks else [])
                mini.extend(value.ljust(64 * blocks, b"\0"))
            else:
                add(at, value)

    add(0, tree)
    sectors, fat = [b""], [_FAT]

    def put(data: bytes) -> int:
        start, count = len(sectors), max(1, -(-len(data) // 512))
        sectors.extend(data.ljust(512 * count, b"\0")[at * 512 : at * 512 + 512] for at in range(count))
        fat.extend([*range(start + 1, start + count), _END])
        return start

    entries[0][5:] = [put(bytes(mini)), len(mini)]
    chained = put(struct.pack(f"<{len(links)}I", *links).ljust(-(-len(links) // 128) * 512, b"\xff"))
    packed = b"".join(
        struct.pack("<64sHBBIII36xIQ", name.encode("utf-16-le"), 2 * len(name) + 2, kind, 1, left, right, child, start, size)
        for name, kind, left, right, child, start, size in entries
    )  # fmt: skip
    listed = put(packed)
    sectors[0] = struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat)))
    head = struct.pack("<8s16xHHHHH6xIIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 62, 3, 0xFFFE, 9, 6, 0, 1, listed, 0,
                       4096, chained, -(-len(links) // 128), _END, 0, 0)  # fmt: skip
    return head[:76] + struct.pack("<109I", 0, *[_FREE] * 108) + b"".join(sectors)


def item(head: int, fixed: Mapping[int, int] | None = None, **streams: bytes | str | Tree) -> Tree:
    """A storage with its table of numbers; `p0037="…"` is a text property, `p0037x=b"…"` an 8-bit one, `p3701=b"…"` bytes."""
    table = bytes(head) + b"".join(
        struct.pack("<HHIQ", 0x0040, number, 6, value) for number, value in (fixed or {}).items()
    )
    made: dict[str, bytes | Tree] = {}
    for name, value in streams.items():
        if isinstance(value, str | bytes):
            kind = 0x001F if isinstance(value, str) else 0x001E if name.endswith("x") else 0x0102
            made[f"__substg1.0_{name[1:5]}{kind:04X}"] = data = (
                value.encode("utf-16-le") if isinstance(value, str) else value
            )
            table += struct.pack("<HHIII", kind, int(name[1:5], 16), 6, len(data), 0)
        else:
            made[name] = value
    return {"__properties_version1.0": table, **made}


SENT = 133_590_384_000_000_000  # 2024-05-01 12:00 UTC


def message() -> Tree:
    return item(
        32, {0x0039: SENT}, p001A="IPM.Note", p0037="Annual leave", p1000="Annual leave is 25 days.\r\n> How much is it?\r\n", p0C1A="Doe, Jane",
        p5D01="jane@acme.example", p1013=b"<p>Leave is 25 days.</p>",
        **{
            "__recip_version1.0_#00000000": item(8, {0x0C15: 1}, p3001="Ann", p39FE="ann@acme.example"),
            "__recip_version1.0_#00000001": item(8, {0x0C15: 2}, p3001="Größe", p3003="/O=EXCHANGE/CN=GROESSE"),
            "__attach_version1.0_#00000000": item(8, p3701=b"Kind,Days\nAnnual,25\n", p3707="days.csv"),
            "__attach_version1.0_#00000001": item(8, p3701=b"\x89PNG", p3704="logo.png"),
        },
    )  # fmt: skip


def written(folder: Path, tree: Tree) -> Path:
    path = folder / "mail.msg"
    path.write_bytes(compound(tree))
    return path


def test_a_message_with_people_date_quotation_and_attachments(tmp_path):
    mail, table = MsgLoader().load(written(tmp_path, message()), "mail.msg")
    assert (mail.title, mail.text) == (
        "Annual leave",
        'From: "Doe, Jane" <jane@acme.example>\nTo: Ann <ann@acme.example>\nCc: Größe\nDate: 2024-05-01 12:00:00+00:00\n\n'
        "Annual leave is 25 days.\n\n## Earlier message\n\nHow much is it?\n\nAttachments: days.csv, logo.png\n",
    )
    assert (mail.metadata["type"], mail.metadata["date"]) == (".msg", "2024-05-01 12:00:00+00:00")
    assert (table.id, table.text) == ("mail.msg#days.csv", "Kind: Annual; Days: 25\n")
    assert table.metadata["attached_to"] == "Annual leave"


def test_the_headers_as_sent_come_before_what_outlook_notes(tmp_path):
    sent = "Received: by x\r\nFrom: Jane Doe <jane@acme.example>\r\nDate: Wed, 01 May 2024 14:00:00 +0200\r\n\r\n"
    (mail,) = MsgLoader().load(written(tmp_path, item(32, p007D=sent, p1000="Yes.", p0C1A="Somebody")), "m")
    assert mail.text == "From: Jane Doe <jane@acme.example>\nDate: 2024-05-01 14:00:00+02:00\n\nYes.\n"
    assert mail.title == "mail"


def test_html_alone_code_pages_and_a_message_in_a_message(tmp_path):
    inner = item(24, p0037="Inner", p1000="The inner text.")
    tree = item(32, {0x3FFD: 1251}, p0037x="Отпуск".encode("cp1251"), p1013=b"<h1>Leave</h1><p>25 days</p>",
                **{"__attach_version1.0_#00000000": {**item(8), "__substg1.0_3701000D": inner}})  # fmt: skip
    (mail,) = MsgLoader().load(written(tmp_path, tree), "m")
    assert mail.title == "Отпуск"
    assert mail.text == "# Leave\n\n25 days\n\n## Inner\n\nThe inner text.\n"
    tree = item(
        32, p1000="Outer.", **{"__attach_version1.0_#00000000": {**item(8), "__substg1.0_3701000D": inner}}
    )
    (mail,) = MsgLoader().load(written(tmp_path, tree), "m")
    assert " ".join(mail.text.split()) == "Outer. ## Inner The inner text."


@pytest.mark.parametrize("data", [b"", b"no compound file", compound(item(32)), compound({"x": b"y"})])
def test_what_is_no_message_is_refused(tmp_path, data):
    path = tmp_path / "a.msg"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        list(MsgLoader().load(path, "a"))
    assert error.value.hint


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=40),
    st.integers(0, 20_000),
)
@settings(deadline=None, max_examples=60)
def test_damage_is_read_or_refused(tmp_path_factory, edits, end):
    data = bytearray(compound(message()))
    for at, value in edits:
        data[at % len(data)] = value
    path = tmp_path_factory.mktemp("msg") / "a.msg"
    path.write_bytes(data[: max(600, end)])
    with contextlib.suppress(DataError):
        assert all(document.text for document in MsgLoader().load(path, "a"))


class TestMsg(LoaderConformance):
    @pytest.fixture
    def loader(self) -> MsgLoader:
        return MsgLoader()

    @pytest.fixture
    def good_file(self, tmp_path) -> Iterator[Path]:
        return written(tmp_path, message())

    @pytest.fixture
    def bad_file(self, tmp_path) -> Path:
        path = tmp_path / "bad.msg"
        path.write_bytes(compound(message())[:700])
        return path
