"""The labelling page in a real browser: keys, resuming, hostile answers, nothing lost."""

import contextlib

import pytest
from browser import CHROMIUM, browser
from serving import listening

from graft.evaluation.labelling.labels import Draw, Item, add_draw, read_labels
from graft.server.label_app import create_label_app
from graft.verbs.label import Desk, Sheet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
    ),
]

EVIL = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
SHEETS = {
    "a": Sheet("a", f"How much? {EVIL}", (f"user: Hello {EVIL}",), True, (f"$45 {EVIL}",), f"It is $45. {EVIL}",
               ((f"travel.md {EVIL}", f"The allowance is $45. {EVIL}"),)),
    "b": Sheet("b", "Who?", (), False, (), "Anna.", ()),
    "c": Sheet("c", "When?", (), True, ("noon",), "", ()),
}  # fmt: skip


def desk(tmp_path):
    path = tmp_path / "labels.jsonl"
    drawn = Draw("d", 0, tuple(Item(name, name, "rag", "rag", 0.5) for name in SHEETS), {"rag": 6})
    if not path.exists():
        add_draw(path, drawn)
    return Desk(path, drawn, SHEETS, "anna")


@contextlib.contextmanager
def labelling(tmp_path):
    worked = desk(tmp_path)
    app = create_label_app(worked, key="secret", summary=lambda: f"kappa {EVIL}")
    with listening(app) as url:
        yield worked, url


def press(page, key):
    page.js(f"document.dispatchEvent(new KeyboardEvent('keydown', {{ key: {key!r}, bubbles: true }}))")


def text(page, name):
    return page.js(f"document.getElementById({name!r}).textContent")


def verdicts(worked):
    return {
        name: (one.verdict, one.supported)
        for name, one in read_labels(worked.path).by.get("anna", {}).items()
    }


def test_label_by_keys_go_back_and_resume(tmp_path):
    with labelling(tmp_path) as (worked, url), browser(tmp_path / "profile") as page:
        page.open(f"{url}/#key=secret")
        page.until("!document.getElementById('sheet').hidden")
        assert page.js("location.hash") == ""
        assert text(page, "question") == f"How much? {EVIL}"
        assert text(page, "answer") == f"It is $45. {EVIL}"
        assert text(page, "before") == f"user: Hello {EVIL}"
        assert page.js("document.getElementById('support').hidden")
        page.shot(tmp_path / "light.png")
        press(page, "1")
        page.until("!document.getElementById('support').hidden")
        assert verdicts(worked) == {"a": ("right", "")}
        assert EVIL in text(page, "passages")
        press(page, "n")
        page.until("document.getElementById('question').textContent === 'Who?'")
        assert verdicts(worked) == {"a": ("right", "no")}
        press(page, "1")  # nothing is right where the documents hold no answer
        assert page.js("document.querySelector('#verdicts button').disabled")
        press(page, "2")
        page.until("document.getElementById('question').textContent === 'When?'")
        assert text(page, "answer") == "(an empty answer)"
        press(page, "ArrowLeft")
        press(page, "3")
        page.until("document.getElementById('question').textContent === 'When?'")
        assert verdicts(worked) == {"a": ("right", "no"), "b": ("declined", "")}
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        page.shot(tmp_path / "dark.png")
        # Another day: the page goes on where it was left.
        page.open(f"{url}/")
        page.until("document.getElementById('question').textContent === 'When?'")
        assert text(page, "count") == "3 of 3 · 2 labelled"
        page.js("document.querySelector('#verdicts [data-value=declined]').click()")
        page.until("!document.getElementById('end').hidden")
        page.until("document.getElementById('summary').textContent !== ''")
        assert text(page, "summary") == f"kappa {EVIL}"
        assert page.js("document.title") == "GRAFT labels"
        assert page.js("document.querySelectorAll('img, main script').length") == 0
        assert page.logged == []


def test_without_the_key_it_says_so_and_a_lost_server_loses_nothing(tmp_path):
    with labelling(tmp_path) as (worked, url), browser(tmp_path / "profile") as page:
        page.open(f"{url}/")
        page.until("document.getElementById('said').textContent !== ''")
        assert "Open the address that graft label printed" in text(page, "said")
        page.open(f"{url}/#key=secret")
        page.until("document.getElementById('sheet') && !document.getElementById('sheet').hidden")
        page.js("window.fetch = () => Promise.reject(new TypeError('gone'))")
        press(page, "2")
        page.until("document.getElementById('said').textContent.includes('not saved')")
        assert text(page, "question") == f"How much? {EVIL}"
        assert verdicts(worked) == {}


def test_every_control_has_a_name_and_can_be_reached_by_tab(tmp_path):
    with labelling(tmp_path) as (_, url), browser(tmp_path / "profile") as page:
        page.open(f"{url}/#key=secret")
        page.until("!document.getElementById('sheet').hidden")
        assert page.js(
            "[...document.querySelectorAll('button')].every((one) => one.textContent.trim() && one.tabIndex === 0)"
        )
        assert page.js("document.documentElement.lang") == "en"
        assert page.js("document.querySelector('progress').getAttribute('aria-label')") == "Labelled so far"
        assert page.js("document.documentElement.scrollWidth <= window.innerWidth")
