"""CSV as people's programs write it: commas, semicolons or tabs, any line ends, blank lines, quoted line breaks."""

from __future__ import annotations

import csv
import io
import re

from reminders.cells import plain

DELIMITERS = ",;\t"


def rows(text: str) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Numbered rows of plain cells without blank ones, and a sentence for each that cannot be made out.

    Rows are numbered as a spreadsheet shows them: from 1, blank ones counted, a quoted line break in one row.
    """
    text = text.removeprefix("\ufeff")
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r'"?sep=([,;|\t])"?\s*', first, re.IGNORECASE)
    if declared:  # a line for Excel, which does not count it
        text = rest
    delimiter = declared[1] if declared else _delimiter(text)
    # Strict, because the lenient reader makes one cell of all that follows a quote that is never closed.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    unclear: list[tuple[int, str]] = []
    number = 0
    while True:
        number += 1
        begun = reader.line_num + 1
        try:
            row = [plain(cell) for cell in next(reader)]
        except StopIteration:
            return found, unclear
        except csv.Error:
            unclear.append((number, f"has quotes that do not match (lines {begun} to {reader.line_num} of the file)"))
            continue
        if any(row):
            found.append((number, row))


def _delimiter(text: str) -> str:
    """What stands most often in the first line that is not blank."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=header.count)
