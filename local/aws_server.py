"""`python -m local.aws_server`: the embedded AWS in a process of its own, on this machine only.

The first line printed is its address. It ends when it is interrupted or told to.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local import lean_moto


class _Conversation(MotoRequestHandler):
    """Keeps connections open, as AWS does. werkzeug closes each, and waits 10 ms for what might still come."""

    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input"] = BytesIO(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        answered: list[Any] = []

        def start_response(status: str, headers: Iterable[tuple[str, str]], *_: object) -> object:
            answered[:] = status, headers
            return None

        body = b"".join(self.server.app(environ, start_response))  # type: ignore[arg-type]  # nobody uses its answer
        status, headers = answered
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log(self, *_: object) -> None:
        """Nothing: a line for each request otherwise."""


def main() -> None:
    """On a free port of 127.0.0.1, until interrupted."""
    lean_moto.install()
    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, moto, threaded=True, request_handler=_Conversation)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
