"""A real HTTP server on loopback that speaks chat completions and says what a function tells it to."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Scripted:
    """`reply(body)` returns the text of a completion, or an int: the HTTP status to fail with. `asked` holds the bodies."""

    def __init__(self, reply):
        self.reply, self.asked, self.url = reply, [], ""


@contextlib.contextmanager
def scripted(reply):
    """Serve on a free port; yields the Scripted, whose `url` is the base URL."""
    script = Scripted(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.asked.append(body)
            said = script.reply(body)
            status = said if isinstance(said, int) else 200
            answer = (
                {"error": {"message": "as scripted"}}
                if isinstance(said, int)
                else {
                    "choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10},
                }
            )
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def material(body):
    """Return what a judge was given in its first prompt."""
    return json.loads(body["messages"][1]["content"])


def verdicts(*labels):
    """Return a reply as a judge should give it."""
    return json.dumps({"reason": "because", "verdicts": list(labels)})
