"""What a provider's code means for the message: retry, another way, or a person.

Twilio's codes: https://www.twilio.com/docs/api/errors. SES v2's are the exceptions of its SendEmail call. Codes in
small letters are our own words for what has no code.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Advice(StrEnum):
    """What to do about a message that was refused, or failed later."""

    RETRY = "retry"  # with `backoff`, while still of use
    RETRY_ONCE = "retry_once"  # soon
    RETRY_ONCE_LATER = "retry_once_later"  # after 30 to 60 minutes
    OPTED_OUT = "opted_out"  # never retry; record the opt-out
    BAD_ADDRESS = "bad_address"  # never retry; mark the address
    OPERATOR = "operator"  # the sender is at fault: alarm, no blind retry, another channel
    STOP_REPLIES = "stop_replies"  # no more automatic replies to that number
    LOOK_UP = "look_up"  # it may have been sent: ask the provider before any resend
    OTHER = "other"  # not known here: another channel, then a task


ADVICE: dict[str, Advice] = {
    # Twilio at create
    "20003": Advice.OPERATOR,  # authentication failed
    "20429": Advice.RETRY,  # too many requests
    "429": Advice.RETRY,  # the same, without Twilio's body
    "14107": Advice.STOP_REPLIES,  # too many replies to one number
    "21211": Advice.BAD_ADDRESS,  # no such number
    "21408": Advice.OPERATOR,  # the account may not send to that country
    "21610": Advice.OPTED_OUT,  # answered STOP
    "21611": Advice.RETRY,  # the sender's queue is full
    "21614": Advice.BAD_ADDRESS,  # not a mobile number
    # Twilio in a receipt
    "30001": Advice.RETRY,  # queue overflow
    "30002": Advice.OPERATOR,  # account suspended
    "30003": Advice.RETRY_ONCE_LATER,  # handset unreachable
    "30004": Advice.OPTED_OUT,  # blocked
    "30005": Advice.BAD_ADDRESS,  # unknown handset
    "30006": Advice.BAD_ADDRESS,  # landline
    "30007": Advice.OPERATOR,  # filtered by the carrier
    "30008": Advice.RETRY_ONCE,  # unknown error
    "30022": Advice.RETRY,  # sender's rate exceeded
    "30034": Advice.OPERATOR,  # unregistered number
    "30941": Advice.OPERATOR,  # campaign rejected
    # SES at send
    "throttled": Advice.RETRY,
    "AccountSuspendedException": Advice.OPERATOR,
    "LimitExceededException": Advice.OPERATOR,
    "MailFromDomainNotVerifiedException": Advice.OPERATOR,
    "MessageRejected": Advice.OPERATOR,  # nearly always an identity that is not verified
    "NotFoundException": Advice.OPERATOR,  # the configuration set is gone
    "SendingPausedException": Advice.OPERATOR,
    # SES in an event
    "bounced": Advice.BAD_ADDRESS,
    "bounced_for_now": Advice.OTHER,  # SES has tried for hours
    "rejected": Advice.OPERATOR,  # SES took it for malware
    "complained": Advice.OPTED_OUT,
    # ours
    "timeout": Advice.LOOK_UP,
    "unreachable": Advice.RETRY,  # no connection, so nothing was sent
    "no_sender": Advice.OPERATOR,  # neither the clinic nor the deployment names one
    "no_credentials": Advice.RETRY,  # the secret could not be read; nothing was sent
    "bad_credentials": Advice.OPERATOR,  # the secret is not what it should be
}

BACKOFF_MIN = (1, 2, 4, 8, 15)


def advise(code: str | None) -> Advice:
    """What `code` calls for. Any 5xx is an answer that says nothing, so the message is looked up."""
    if code is None:
        return Advice.OTHER
    if len(code) == 3 and code.startswith("5"):
        return Advice.LOOK_UP
    return ADVICE.get(code, Advice.OTHER)


def backoff(attempt: int) -> timedelta:
    """How long to wait after the attempt of that number (from 1): 1, 2, 4, 8, then every 15 minutes."""
    return timedelta(minutes=BACKOFF_MIN[min(max(attempt, 1), len(BACKOFF_MIN)) - 1])
