"""Zip containers (Office files, EPUB, ODT) within limits, and XML without entities, DTDs or network.

Everything that unpacks or parses XML goes through here. Knows no format: a loader says which parts it wants.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Self

from graft.errors import DataError

# A 300-page manual unpacks to about 5 MB of XML. Deflate packs at most 1032:1, honest XML about 20:1.
MAX_UNPACKED = 200 * 2**20
MAX_RATIO = 200
MAX_ENTRIES = 20_000
OLE = b"\xd0\xcf\x11\xe0"
# OPC (ECMA-376 part 2, 8.1.4) forbids document type definitions: in an Office file one is an attack.
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


class Archive:
    """An opened zip file whose whole content is known to be small. Raises DataError for what cannot be read.

    `kind` is what the user calls the file ("Word file"). A context manager.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind
        with path.open("rb") as handle:
            if handle.read(4) == OLE:
                raise DataError(
                    f"{path}: encrypted with a password, or in an Office format from before 2007.",
                    f"Remove the password, or save it as {path.suffix.lower() or 'a current format'}.",
                )
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self.broken(error) from error
        entries = self._zip.infolist()
        self.names = frozenset(entry.filename for entry in entries)
        unpacked, stored = (
            sum(entry.file_size for entry in entries),
            sum(entry.compress_size for entry in entries),
        )
        if unpacked > MAX_UNPACKED or unpacked > MAX_RATIO * max(stored, 4096) or len(entries) > MAX_ENTRIES:
            self.close()
            raise DataError(
                f"{path}: would unpack to {unpacked // 2**20} MB in {len(entries)} parts, like a zip bomb.",
                "Exclude the file.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def broken(self, error: object) -> DataError:
        """Return the error for a file that is not what its name says."""
        hint = "It may be cut short, damaged, or have a wrong extension: save or copy it again."
        return DataError(f"{self._path}: not a readable {self._kind} ({error}).", hint)

    def read(self, name: str) -> bytes:
        """Return one part, unpacked."""
        try:
            return self._zip.read(name)
        except RuntimeError as error:  # "password required"
            raise DataError(f"{self._path}: encrypted ({error}).", "Remove the password.") from error
        except (
            KeyError,
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            NotImplementedError,
            ValueError,
        ) as error:
            raise self.broken(error) from error

    def xml(self, name: str) -> Any:
        """Return the root element of one part."""
        return self.parsed(self.read(name))

    def parsed(self, data: bytes) -> Any:
        """Return the root element of some XML."""
        import lxml.etree

        try:
            return parse_xml(data)
        except lxml.etree.LxmlError as error:
            raise self.broken(error) from error

    def refuse_dtds(self) -> None:
        """Refuse an Office file with a document type definition; other readers of it might follow its entities."""
        for name in sorted(self.names):
            if name.endswith((".xml", ".rels")) and _DTD.search(self.read(name)[:4096]):
                raise DataError(
                    f"{self._path}: {name} defines entities, as no Office program does.", "Exclude the file."
                )

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return a part's relationships (ECMA-376 part 2, 9.3): id → (last word of its type, name of the other part)."""
        folder, _, file = part.rpartition("/")
        rels = f"{folder}/_rels/{file}.rels".lstrip("/")
        if rels not in self.names:
            return {}
        found = {}
        for relation in self.xml(rels).iter("{*}Relationship"):
            if relation.get("TargetMode") != "External":
                target = resolved(relation.get("Target", ""), folder)
                found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
        return found


def parse_xml(data: bytes) -> Any:
    """Return the root element. Entities stay unresolved, DTDs unloaded. Raises lxml's XMLSyntaxError."""
    import lxml.etree

    parser = lxml.etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return lxml.etree.fromstring(data, parser)


def local(element: Any) -> str:
    """Return an element's tag without its namespace; nothing for an entity."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def resolved(target: str, folder: str) -> str:
    """Return the name of a part that `folder` refers to as `target`. It names a zip entry, never a file."""
    parts: list[str] = []
    start = PurePosixPath(target) if target.startswith("/") else PurePosixPath(folder, target)
    for part in start.parts:
        if part == "..":
            parts = parts[:-1]
        elif part not in {"/", "."}:
            parts.append(part)
    return "/".join(parts)


def properties(archive: Archive) -> dict[str, str]:
    """Return the core properties of an Office file (title, creator, created …), those that say something."""
    name = "docProps/core.xml"
    if name not in archive.names:
        return {}
    found = {local(child): " ".join((child.text or "").split()) for child in archive.xml(name)}
    known = {"title": "title", "creator": "author", "subject": "subject", "keywords": "keywords",
             "category": "category", "created": "created", "modified": "modified"}  # fmt: skip
    return {known[key]: value for key, value in found.items() if key in known and value}
