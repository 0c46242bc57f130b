"""Twilio's credentials: from where, for how long, and never in a log."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from chalicelib.secrets import AGAIN_S, KEPT_S, TwilioCredentials, TwilioSecret, reader
from reminders.errors import BadInput, Unavailable

SECRET = json.dumps({"account_sid": "AC1", "auth_token": "t0k3n"})
OTHER = json.dumps({"account_sid": "AC1", "auth_token": "n3w"})


class Vault:
    """A secret that changes, breaks and counts how often it is read, with a clock."""

    def __init__(self) -> None:
        self.text: str | None = SECRET
        self.reads = 0
        self.seconds = 0.0

    def read(self) -> str:
        self.reads += 1
        if self.text is None:
            raise Unavailable("the vault does not answer")
        return self.text

    def secret(self) -> TwilioSecret:
        return TwilioSecret(self.read, clock=lambda: self.seconds)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"account_sid": "AC1"}', '{"account_sid": 1, "auth_token": "t"}', "t0k3n"]
)
def test_what_is_not_a_secret_is_named_without_quoting_it(text: str) -> None:
    vault = Vault()
    vault.text = text
    with pytest.raises(BadInput, match=r"^TWILIO_SECRET: must be JSON with account_sid and auth_token$") as caught:
        vault.secret()()
    assert caught.value.__cause__ is None


def test_it_is_kept_and_read_again_after_five_minutes() -> None:
    vault = Vault()
    secret = vault.secret()
    tokens = []
    for seconds in (0, KEPT_S - 1, KEPT_S):
        vault.seconds = seconds
        tokens.append(secret().auth_token)
        vault.text = OTHER
    assert tokens == ["t0k3n", "t0k3n", "n3w"]
    assert vault.reads == 2


def test_one_that_was_read_goes_on_while_the_vault_does_not_answer() -> None:
    vault = Vault()
    secret = vault.secret()
    secret()
    vault.text, vault.seconds = None, KEPT_S
    assert secret().login == ("AC1", "t0k3n")


def test_one_that_was_never_read_is_unavailable() -> None:
    vault = Vault()
    vault.text = None
    with pytest.raises(Unavailable):
        vault.secret()()


@pytest.mark.parametrize(
    ("text", "seconds", "changed"),
    [(OTHER, AGAIN_S - 1, False), (OTHER, AGAIN_S, True), (SECRET, AGAIN_S, False), (None, AGAIN_S, False)],
)
def test_a_refused_one_is_read_again_but_not_at_every_message(text: str | None, seconds: float, changed: bool) -> None:
    vault = Vault()
    secret = vault.secret()
    secret()
    vault.text, vault.seconds = text, seconds
    assert secret.changed() is changed
    assert not secret.changed()


def test_an_api_key_sends_and_the_token_checks_signatures() -> None:
    plain = TwilioCredentials(account_sid="AC1", auth_token="t0k3n")
    keyed = TwilioCredentials(account_sid="AC1", auth_token="t0k3n", api_key="SK1", api_secret="s3cr3t")
    assert plain.login == ("AC1", "t0k3n")
    assert keyed.login == ("SK1", "s3cr3t")
    assert keyed.auth_token == plain.auth_token


def test_a_repr_shows_nothing() -> None:
    keyed = TwilioCredentials(account_sid="AC1", auth_token="t0k3n", api_key="SK1", api_secret="s3cr3t")
    shown = f"{keyed!r} {keyed} {[keyed]}"
    assert not any(part in shown for part in ("AC1", "t0k3n", "SK1", "s3cr3t"))


@mock_aws
def test_secrets_manager_and_parameter_store_are_told_apart_by_the_slash() -> None:
    boto3.client("secretsmanager").create_secret(Name="twilio", SecretString=SECRET)
    boto3.client("ssm").put_parameter(Name="/reminders/twilio", Value=OTHER, Type="SecureString")
    assert reader("twilio")() == SECRET
    assert reader("/reminders/twilio")() == OTHER


@mock_aws
@pytest.mark.parametrize("name", ["elsewhere", "/elsewhere", "empty"])
def test_a_secret_that_is_not_there_is_unavailable(name: str) -> None:
    boto3.client("secretsmanager").create_secret(Name="empty")
    with pytest.raises(Unavailable, match="cannot be read"):
        reader(name)()
