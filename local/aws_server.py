"""`python -m local.aws_server`: the embedded AWS in a process of its own, on this machine only.

The first line printed is its address. It ends when it is interrupted or told to.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from moto.server import ThreadedMotoServer

from local import lean_moto


def main() -> None:
    """On a free port of 127.0.0.1, until interrupted."""
    lean_moto.install()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
