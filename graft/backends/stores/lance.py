"""LanceDB, without the client of remote catalogues that comes with it.

Importing `lancedb` reads `lance_namespace_urllib3_client`, whose 60 services and 250 messages pydantic compiles on the
way: half of the 1.15 CPU seconds that a process spends before it can open a folder, which is all that GRAFT does. Knows
nothing of tables.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

_CLIENT = "lance_namespace_urllib3_client"


def lancedb() -> Any:
    """Return the package, imported at the first call."""
    if "lancedb" not in sys.modules and _CLIENT not in sys.modules:
        _leave_unread(_CLIENT)
    import lancedb as package

    return package


def _leave_unread(name: str) -> None:
    """Put a package in its place without running it. Its modules can be imported; the first name that anybody wants of the
    package itself runs it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, importlib.util.module_from_spec(spec)

    def read(wanted: str) -> Any:
        if (
            wanted.startswith("__") and wanted != "__all__"
        ):  # whoever looks over all modules asks for such names
            raise AttributeError(wanted)
        vars(module).pop("__getattr__", None)
        loader.exec_module(module)
        return getattr(module, wanted)

    vars(module)["__getattr__"] = read
    sys.modules[name] = module
