"""Words our messages must not use, as data: what each is, where it matters, and how to mend it.

Patterns are searched in one sentence at a time, line breaks read as spaces; all of them in both languages.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Ban(NamedTuple):
    """A kind of wording we refuse. `public`: only where a lock screen or a carrier sees it (SMS, subject)."""

    what: str
    mend: str
    patterns: tuple[re.Pattern[str], ...]
    public: bool = False
    steps: tuple[str, ...] = ()  # only these messages; empty: all
    spared: tuple[str, ...] = ()  # all but these


def _any(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


# --- replies that Twilio or a carrier takes as opting out, in, or asking for help (rules.md 3) ---

_VERBS = (
    r"(?i:reply|respond|answer|text|send|write|type|say"
    r"|respond[ae]|contest[ae]|escrib[ae]|env[ií][ae]|mand[ae]|dig[ae]|teclee|ponga)"
)
_ENGLISH = "YES|NO|CANCEL|END|QUIT|HELP|INFO|STOP|STOPALL|UNSUBSCRIBE|REVOKE|OPTOUT|START|UNSTOP"
_SPANISH = "S[IÍ]|CANCELAR|CANCELE|FIN|TERMINAR|SALIR|AYUDA|ALTO|PARAR|PARE|BAJA"
_ENDS_TEXTS = (
    r"(?:to|para)\s+(?:end|stop|opt|unsubscribe|dejar|no|ya|terminar|parar|darse)\b",
    r"(?:to|para)\s+(?:get|receive|resume|restart|recibir|volver|reanudar)",
)
# "STOP to end texts", "START to get them again" and "AYUDA al 988" are what these words are for.
_MEANT = rf"(?!(?<=STOP)\s+{_ENDS_TEXTS[0]})(?!(?<=START)\s+{_ENDS_TEXTS[1]})(?!\s+(?:al|a|to)\s+988)"
_LOWER = "yes|cancel|end|quit|help|stop|stopall|unsubscribe|revoke|sí|cancelar|terminar|salir|ayuda|alto|parar|baja"
_NO_LONGER = r"(?!\s+(?:later|more|less|longer|matter|need|one|es|se|le|lo|la|puede|quiere|tiene))"

RESERVED: Final = (
    re.compile(rf"\b{_VERBS}\b.*?(?<!\w)({_ENGLISH}|{_SPANISH})\b{_MEANT}"),
    re.compile(
        rf"\b{_VERBS}\s+(?i:with\s+|con\s+|back\s+|us\s+|the\s+word\s+|la\s+palabra\s+)*"
        rf"[\"'“‘«]?(?i:({_LOWER}))\b(?!\s+(?:to|para)\s+(?i:end|stop|no|dejar))(?!\s+(?:al|a|to)\s+988)"
    ),
    re.compile(rf"\b{_VERBS}\s+(?i:with\s+|con\s+)?(?:[\"'“‘«](no|si)\b|(no)\b{_NO_LONGER})"),
    re.compile(rf"(?<!\w)({_ENGLISH}|{_SPANISH})\b{_MEANT}\s*(?:=|:|to\b|for\b|if\b|para\b|si\b)"),
)

# --- detail that does not belong on a lock screen, and that carriers filter by ---

_DRUGS = _any(
    r"\b(?:es)?ketamin\w*",
    r"\b(?:spravato|ketalar|ketanest|caldolor|zulresso|zurzuvae)\b",
    r"\b(?:psychedeli\w+|psicod[eé]lic\w+|controlled substances?|antidepress\w+|antidepresiv\w+|opioids?|opioides?)",
    r"\binfusi[oó]n(?:s|es)?\b",
    r"\b(?:injections?|inyecci[oó]n(?:es)?|lozenges?|troches?|iv drip|suero)\b",
)
_DIAGNOSES = _any(
    r"\bdepress(?:ion|ive)\w*|\bdepresi(?:[oó]n|v)\w*",
    r"\b(?:ptsd|tept|ocd|adhd|tdah|bipolar\w*|suicid\w*|psychiatr\w+|psiqui[aá]tr\w+|phq(?:-?\d)?)\b",
    r"\b(?:anxiety|ansiedad|trauma\w*|addiction|adicci[oó]n|psychosis|psicosis)\b",
    r"\b(?:mental (?:illness|health)|(?:enfermedad|salud) mental|chronic pain|dolor cr[oó]nico)\b",
)
_MOODS = _any(r"\bdepressed\b", r"\bdeprimid[oa]")  # the PHQ's own wording, and nowhere else
_PRICES = _any(
    r"[$€]\s?\d",
    r"\b\d+\s?(?:dollars?|usd|d[oó]lares)\b",
    r"\b(?:prices?|costs?|fees?|discounts?|co-?pay(?:ment)?s?|for free|free of charge|special offer|refunds?)\b",
    r"\b(?:precios?|costos?|cuesta|tarifas?|descuentos?|gratis|oferta|reembolsos?)\b",
    r"\d\s?% (?:off|de descuento)",
)
_SHORTENERS = _any(
    r"(?<![\w.-])(?:bit\.ly|tinyurl\.com|goo\.gl|t\.co|ow\.ly|is\.gd|buff\.ly|rebrand\.ly|cutt\.ly|shorturl\.at)(?![\w.-])",
    r"(?<![\w.-])(?:tiny\.cc|rb\.gy|lnkd\.in|t\.ly|bl\.ink|short\.io|snip\.ly|v\.gd|s\.id|soo\.gd|clck\.ru)(?![\w.-])",
)

# --- what we may not say at all (rules.md 1) ---

_PROMISES = _any(
    r"\bcure[sd]?\b|\bcura(?:r|n|rá|rán|do|da)?\b",
    r"\bguarante\w+|\bgarant[ií]\w+",
    r"\b(?:you(?:'ll| will)|going to) (?:soon )?(?:feel|be|get) (?:(?:so )?much )?(?:better|well|happy|happier|healed)",
    r"\b(?:it|this|they|treatments?|sessions?|visits?) (?:will|is sure to) (?:help|heal|work|fix|improve)",
    r"\bse (?:va a sentir|sentir[aá]) (?:mucho )?(?:mejor|bien)",
    r"\b(?:va a|vas a) (?:mejorar|sanar)|\b(?:mejorar|sanar)[aá]\b",
    r"\b(?:miracle|milagro\w*|life-changing|breakthrough|100 ?% (?:effective|safe|seguro|efectivo))",
)
_APPROVAL = _any(r"\bfda\b", r"\b(?:clinically proven|approved|approval)\b", r"\b(?:aprobad[oa]s?|aprobaci[oó]n)\b")
_DRIVE = r"(?:driv(?:e|ing)|behind the wheel|manej\w+|conduc\w+|volante)"
_NUMBER = (
    r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|eighteen|twenty[ -]?four|forty[ -]?eight"
    r"|(?:a )?few|several|some|una?s?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|dieciocho|veinticuatro"
    r"|cuarenta y ocho|varias|algunas)"
)
_HOURS = rf"\b{_NUMBER}(?:\s*(?:-|to|or|a|o)\s*{_NUMBER})?[\s-]*(?:hours?|hrs?|h|horas?)\b"
_DRIVING = _any(rf"\b{_DRIVE}\b.*{_HOURS}", rf"{_HOURS}.*\b{_DRIVE}\b")
_MEDICINE_EN = r"(?:medicines?|medications?|meds|pills?|tablets?|dos(?:e|es|age)|prescriptions?|blood thinners?)"
_MEDICINE_ES = r"(?:medicinas?|medicamentos?|pastillas?|tabletas?|dosis|recetas?)"
_CHANGES = _any(
    r"(?<!not )(?<!n't )(?<!never )(?<!before you )\b(?:stop|quit|skip|pause|hold|halve|double|reduce|increase|lower"
    rf"|raise|change|adjust|cut|taper|miss)\b.{{0,25}}\b{_MEDICINE_EN}\b",
    rf"\b(?:do not|don't|never|avoid) tak(?:e|ing)\b.{{0,25}}\b{_MEDICINE_EN}\b",
    rf"\btake (?:half|double|twice|less|more|extra|only)\b.{{0,25}}\b{_MEDICINE_EN}\b",
    r"(?<!no )(?<!nunca )\b(?:dej[ea] de tomar|suspend[ae]|pare|omita|s[aá]ltese|salte|reduzca|baje|suba|aumente"
    rf"|duplique|cambie|ajuste)\b.{{0,25}}\b{_MEDICINE_ES}\b",
    rf"\b(?:no|nunca) tome\b.{{0,25}}\b{_MEDICINE_ES}\b",
    rf"\btome (?:la mitad|el doble|menos|m[aá]s|solo)\b.{{0,25}}\b{_MEDICINE_ES}\b",
)
_RELATIVE = _any(
    r"\b(?:today|tonight|tomorrow|this (?:morning|afternoon|evening))\b",
    r"\b(?:hoy|esta (?:noche|tarde|mañana)|pasado mañana)\b|(?<!\bla )\bmañana\b",
)

_BEFORE = ("booked", "welcome", "prepare", "day_before", "same_day", "moved", "cancelled", "missed", "recall")
_PHQ_BY_TEXT = ("checkin_phq2", "reply_phq2_second")

BANS: Final = (
    Ban("names a drug or a treatment", "say “appointment” or “cita”", _DRUGS, public=True),
    Ban("names a diagnosis", "say “appointment” or “cita”, or “how you feel”", _DIAGNOSES, public=True),
    Ban("names a diagnosis", "say “how is your mood”", _MOODS, public=True, spared=_PHQ_BY_TEXT),
    Ban("speaks of money", "leave it out: prices belong in a call", _PRICES, public=True),
    Ban("uses a link shortener, which carriers block", "use the clinic's own https address", _SHORTENERS),
    Ban("promises an outcome", "leave it out: nobody can promise how a treatment turns out", _PROMISES),
    Ban("speaks of an approval", "leave it out: most of our treatments are not approved for this use", _APPROVAL),
    Ban("gives driving advice in hours", "say “not until tomorrow, after a night's sleep”", _DRIVING),
    Ban("advises a change of medicine", "leave it to the prescriber: “keep taking your medicines”", _CHANGES),
    Ban(
        "says a day that is wrong if the message moves", "use {{ day_and_time }} or {{ day }}", _RELATIVE, steps=_BEFORE
    ),
)
