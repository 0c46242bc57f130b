"""How a text travels: its encoding, its segments, and look-alikes put into the phone networks' own alphabet.

GSM-7 carries 160 characters, or 153 in each part of a longer text; one character outside it makes the whole text
UCS-2, 70 or 67 (3GPP TS 23.038; the concatenation header takes 6 octets, TS 23.040 9.2.3.24).
"""

from __future__ import annotations

import math
import re
import unicodedata

from gsm0338.charset import (  # type: ignore[import-untyped]  # ships no types
    BASIC_CHARACTER_SET,
    BASIC_CHARACTER_SET_EXTENSION,
)

GSM7 = "GSM-7"
UCS2 = "UCS-2"

# ESCAPE is in the table but is no character: it announces one of the extension table.
BASIC = frozenset(unicodedata.lookup(name) for name in BASIC_CHARACTER_SET.values() if name != "ESCAPE")
EXTENSION = frozenset(unicodedata.lookup(name) for name in BASIC_CHARACTER_SET_EXTENSION.values())

_OUTSIDE = re.compile(f"[^{re.escape(''.join(sorted(BASIC | EXTENSION)))}]")
_DOUBLE = re.compile(f"[{re.escape(''.join(sorted(EXTENSION)))}]")
_ALONE_7, _PART_7 = 160, 153
_ALONE_2, _PART_2 = 70, 67

# Typography that phones and word processors put in unasked. Replaced in every text, whatever its alphabet.
_LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys(map(chr, (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)), " "),
        **dict.fromkeys(map(chr, (0xAD, 0x200B, 0x2060, 0xFEFF)), None),
        **dict.fromkeys(map(chr, (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))), None),  # directions
        **dict.fromkeys("\u2022\u00b7\u2027", "-"),
        "\u2026": "...",
        "\t": " ",
    }
)

# Letters without a decomposition, and joiners that emoji need: replaced only where that saves the text.
_LAST_RESORT = str.maketrans(
    {
        **dict.fromkeys("\u200c\u200d\ufe0e\ufe0f", None),
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
        "ı": "i",
        "œ": "oe",
        "Œ": "OE",
    }
)


def normalise(text: str) -> str:
    """Put look-alikes into GSM-7: curly quotes, dashes, special and invisible spaces.

    Letters with other accents (á, ł) lose them only if the whole text then is GSM-7; otherwise they stay as written.
    """
    plain = unicodedata.normalize("NFC", text.translate(_LOOK_ALIKES)) if not text.isascii() else text.replace("`", "'")
    if not _OUTSIDE.search(plain):
        return plain
    folded = _OUTSIDE.sub(_base, plain.translate(_LAST_RESORT))
    return plain if _OUTSIDE.search(folded) else folded


def encoding(text: str) -> str:
    """`GSM-7` or `UCS-2`, as the provider will choose."""
    return UCS2 if _OUTSIDE.search(text) else GSM7


def forcing(text: str) -> list[str]:
    """The characters that force UCS-2, each once, in the order they appear."""
    return list(dict.fromkeys(_OUTSIDE.findall(text)))


def length(text: str) -> int:
    """Septets in GSM-7 (extension characters take two), UTF-16 code units in UCS-2."""
    return sum(_widths(text))


def segments(text: str) -> int:
    """How many messages the provider bills; 0 for an empty text."""
    if encoding(text) == GSM7:
        alone, part, plain = _ALONE_7, _PART_7, not _DOUBLE.search(text)
    else:
        alone, part, plain = _ALONE_2, _PART_2, max(text) <= "\uffff"
    if plain:
        return math.ceil(len(text) / (alone if len(text) <= alone else part))
    return _packed(_widths(text), alone, part)


def _base(match: re.Match[str]) -> str:
    """A letter without its marks; anything else as it is."""
    character = match.group()
    decomposed = unicodedata.normalize("NFKD", character)
    return "".join(c for c in decomposed if not unicodedata.combining(c)) or character


def _widths(text: str) -> list[int]:
    if encoding(text) == GSM7:
        return [2 if character in EXTENSION else 1 for character in text]
    return [2 if character > "\uffff" else 1 for character in text]


def _packed(widths: list[int], alone: int, part: int) -> int:
    """Segments when no character of two units may be split over a boundary."""
    if sum(widths) <= alone:
        return 1
    count, room = 1, part
    for width in widths:
        if width > room:
            count, room = count + 1, part
        room -= width
    return count
