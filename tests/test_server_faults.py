"""What the server did wrong once: rights and releases of a running server, clients that leave, errors nobody foresaw."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import edit
from fastapi.testclient import TestClient

from graft import Project
from graft.errors import ConfigError
from graft.protocols import Filter
from graft.server.app import create_app
from graft.verbs.serve import callers_of, live, narrowing, offered, standing

ASK = [{"role": "user", "content": "How many days of annual leave?"}]


# --- what a running server answers with ------------------------------------------------------------------------------


def test_a_release_made_while_it_runs_is_for_the_next_server(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(
        small, "[generation]", '[serve.keys.people]\nenv = "KEY_PEOPLE"\nwhere = { team = "x" }\n[generation]'
    )
    monkeypatch.setenv("KEY_PEOPLE", "theirs")
    Project(small).build()
    Project(small).compare()
    project = Project(small)
    project.release("rag")
    chosen = standing(project.parts)
    default, variants, _ = offered(project.parts, chosen)
    app = create_app(
        {name: live(project.parts, one) for name, one in variants.items()},
        default=default,
        key="ours",
        narrow=narrowing(project.parts, chosen),
        callers=callers_of(project.parts, chosen),
    )
    Project(small).release("base")
    with TestClient(app) as client:
        answered = [
            client.post(
                "/v1/chat/completions",
                json={"model": "graft", "messages": ASK, **where},
                headers={"Authorization": f"Bearer {key}"},
            ).json()["graft"]["variant"]
            for key in ("ours", "theirs")
            for where in ({}, {"where": {"team": "x"}})
        ]
    assert answered == ["rag"] * 4


@pytest.mark.parametrize("model", ["graft", "hybrid"])
def test_no_filter_makes_a_tuned_variant_for_a_key_with_a_rule(small: Path, model: str) -> None:
    narrow = narrowing(Project(small).parts, "hybrid", {"team": "people"})
    with pytest.raises(ConfigError, match="hybrid is not offered to a key with a rule"):
        narrow(model, Filter({}))
