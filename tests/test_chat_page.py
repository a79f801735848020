"""The chat page in a real browser."""

import contextlib
import time

import pytest
from browser import CHROMIUM, browser
from test_server import KEY, Scripted, serving

from graft.types import Answer, Citation, Passage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
    ),
]

EVIL = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
TEXT = f"\U0001f600 Before. You get 25 days of leave a year. {EVIL} After."
QUOTE = "You get 25 days of leave a year."
FROM = TEXT.index(QUOTE)
PASSAGES = (
    Passage("leave.md", 500, 500 + len(TEXT), TEXT, f"Leave {EVIL}", ("Days",), 2),
    Passage("b.md", 0, 5, "Other", "B"),
)
CITATIONS = (Citation(1, "leave.md", 500 + FROM, 500 + FROM + len(QUOTE), QUOTE, f"Leave {EVIL}", 2),)
SAID = f"You get 25 days [1]. {EVIL}"
ANSWER = Answer(SAID, "rag", CITATIONS, PASSAGES, dropped_citations=1, timings={"total": 1.234}, cost=0.0002)


@contextlib.contextmanager
def talking(tmp_path, *variants, fragment=f"#key={KEY}", **options):
    with serving(*variants, **options) as url, browser(tmp_path / "profile") as page:
        page.open(f"{url}/{fragment}")
        yield page


def ask(page, question="How many days?"):
    # An answer is shown before its stream has ended, and until then the page takes no other question.
    page.until("!document.getElementById('send').disabled")
    page.js(f"document.getElementById('question').value = {question!r}")
    page.js("document.getElementById('ask').requestSubmit()")


def test_ask_read_and_open_a_citation(tmp_path):
    rag = Scripted("rag", "You get 25 days [1].", f" {EVIL}", ANSWER)
    base = Scripted(
        "base", "I don't know.", Answer("I don't know.", "base", abstained=True, timings={"total": 0.1})
    )
    with talking(tmp_path, rag, base) as page:
        page.until("document.getElementById('model').options.length === 3")
        assert page.js("location.hash + location.search") == ""
        ask(page)
        page.until("document.querySelector('.facts')")
        assert page.js("document.querySelector('.text').textContent") == SAID.replace("[1]", "1")
        assert page.js("document.querySelector('.facts').textContent") == (
            "rag · 1.23 s · 1 citation(s) pointed nowhere · $0.00020"
        )
        page.js("document.querySelector('.cite').click()")
        assert (
            page.js("document.querySelector('.source p').textContent")
            == f"[1] Leave {EVIL} · leave.md · page 2"
        )
        assert page.js("document.querySelector('.source blockquote').textContent") == TEXT
        assert page.js("document.querySelector('.source mark').textContent") == QUOTE
        assert page.js("document.querySelector('.cite').getAttribute('aria-expanded')") == "true"
        page.shot(tmp_path / "light.png")
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        page.shot(tmp_path / "dark.png")
        page.js("document.querySelector('.cite').click()")
        assert page.js("document.querySelectorAll('.text + div .source').length") == 0
        assert page.js("document.querySelector('details').textContent") == (
            f"All 2 passages that were found[1] Leave {EVIL} · leave.md · page 2{TEXT}[2] B · b.md{'Other'}"
        )

        page.js("document.getElementById('model').value = 'base'")
        ask(page, "And in Spain?")
        page.until("document.querySelectorAll('.facts').length === 2")
        assert (
            page.js("document.querySelectorAll('.facts')[1].textContent") == "base · 0.10 s · no answer given"
        )
        assert [(turn.role, turn.content) for turn in base.asked[0]] == [
            ("user", "How many days?"), ("assistant", SAID), ("user", "And in Spain?"),
        ]  # fmt: skip
        assert page.js("document.title") == "GRAFT"
        assert page.js("document.querySelectorAll('#log img, #log script').length") == 0
        assert page.logged == []


def test_without_the_key_it_asks_for_one(tmp_path):
    with talking(tmp_path, Scripted("rag", "25.", ANSWER), fragment="") as page:
        # The field is shown when the refusal's status is known, its words when its body has been read.
        page.until("document.getElementById('hello').textContent.includes('Wrong or missing API key')")
        assert not page.js("document.getElementById('keyed').hidden")
        page.js(
            f"document.getElementById('key').value = '{KEY}'; document.getElementById('key').dispatchEvent(new Event('change'))"
        )
        page.until("document.getElementById('model').options.length === 2")


def test_stop_stops_and_an_error_is_shown(tmp_path):
    endless = Scripted(
        "endless", *[piece for _ in range(3000) for piece in ("more ", lambda: time.sleep(0.01))]
    )
    with talking(tmp_path, endless, Scripted("broken", RuntimeError("secret"))) as page:
        page.until("document.getElementById('model').options.length === 3")
        ask(page)
        page.until("document.querySelector('.text').textContent.startsWith('more more')")
        page.js("document.getElementById('stop').click()")
        page.until("document.querySelector('.wrong')")
        assert page.js("document.querySelector('.wrong').textContent") == "Stopped."
        assert endless.closed.wait(3)
        page.js("document.getElementById('clear').click()")
        assert page.js("document.querySelectorAll('.turn').length") == 0
        page.js("document.getElementById('model').value = 'broken'")
        ask(page)
        page.until("document.querySelector('.wrong')")
        assert (
            page.js("document.querySelector('.wrong').textContent")
            == "The server failed to answer; its log says why."
        )


def test_nothing_from_elsewhere_can_run_in_it(tmp_path):
    with talking(tmp_path, Scripted("rag", "25.", ANSWER)) as page:
        page.until("document.getElementById('model').options.length === 2")
        put = "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
        assert (
            page.js(f"(() => {{ try {{ {put} }} catch (error) {{ return error.name }} }})()") == "TypeError"
        )
        page.js(
            "const i = document.createElement('img'); i.src = 'https://elsewhere.example/x'; document.body.append(i)"
        )
        assert page.js("document.title") == "GRAFT"
        assert page.js("fetch('https://elsewhere.example').then(() => 'sent', () => 'blocked')") == "blocked"
        said = " ".join(str(entry) for entry in page.logged)
        assert "Content Security Policy" in said
