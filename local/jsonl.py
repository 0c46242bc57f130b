"""JSON lines, as `--json` prints them."""

from __future__ import annotations

import json
from collections.abc import Mapping

# JSON lets these stand as they are, and many programs take them for the end of a line.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def line(value: Mapping[str, object]) -> str:
    """One object as one line, whatever its texts hold."""
    return json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS)
