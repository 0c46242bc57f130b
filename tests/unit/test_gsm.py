"""Encodings and segments, odd cases first."""

from __future__ import annotations

import pytest

from reminders import gsm

NBSP, NARROW, ZERO_WIDTH, SOFT_HYPHEN = "\u00a0", "\u202f", "\u200b", "\u00ad"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("it’s “fine” – really — yes… ok", 'it\'s "fine" - really - yes... ok'),
        (f"10:00{NARROW}AM{NBSP}Monday", "10:00 AM Monday"),
        (f"ap{SOFT_HYPHEN}point{ZERO_WIDTH}ment", "appointment"),
        ("`quoted´", "'quoted'"),
        ("José", "José"),
        ("Jose\u0301", "José"),  # e and a combining accent
        ("Martínez, mañana, ¿qué? ¡Ü!", "Martinez, mañana, ¿qué? ¡Ü!"),
        ("Łukasz Dvořák", "Lukasz Dvorak"),
        ("François", "Francois"),
        ("李 está aquí", "李 está aquí"),  # UCS-2 anyway: the accents stay
        ("It’s 李", "It's 李"),
        ("Ana 👩‍👧", "Ana 👩‍👧"),  # the joiner belongs to the emoji
        ("", ""),
    ],
)
def test_look_alikes_become_gsm_and_accents_go_only_where_that_saves_the_text(text: str, plain: str) -> None:
    assert gsm.normalise(text) == plain


def test_normalising_twice_changes_nothing_more() -> None:
    once = gsm.normalise("“Él dijo – sí…” Łódź")
    assert gsm.normalise(once) == once


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", "GSM-7", 0),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),  # extension characters take two
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),  # the euro may not be cut in two: 152, then 2 + 151, then 1
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 2),
        ("é" * 160, "GSM-7", 1),
        ("á" * 70, "UCS-2", 1),
        ("á" * 71, "UCS-2", 2),
        ("á" * 134, "UCS-2", 2),
        ("á" * 135, "UCS-2", 3),
        ("😀" * 35, "UCS-2", 1),  # two code units each
        ("😀" * 36, "UCS-2", 2),
        ("😀" * 66, "UCS-2", 2),
        ("😀" * 67, "UCS-2", 3),  # 33 fit in 67 units, never 33 and a half
        ("\x1b" + "a" * 69, "UCS-2", 1),  # ESCAPE is no character of the alphabet
    ],
)
def test_segments_are_counted_as_the_provider_bills_them(text: str, encoding: str, segments: int) -> None:
    assert (gsm.encoding(text), gsm.segments(text)) == (encoding, segments)


@pytest.mark.parametrize("text", ["à è é ù ì ò Ç Ø ø Å å Æ æ ß É Ä Ö Ñ Ü § ¿ ä ö ñ ü ¡ £ ¥ @ _ ^{}[]~|€\\"])
def test_the_whole_alphabet_stays_gsm(text: str) -> None:
    assert gsm.encoding(text) == "GSM-7"


def test_the_characters_that_force_ucs2_are_named_once_in_order() -> None:
    assert gsm.forcing("Ó está aquí, está €") == ["Ó", "á", "í"]
