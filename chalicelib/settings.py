"""What a deployment sets, from its environment (.chalice/resources.json fills it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reminders.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """`public_url` has no slash at the end. `twilio_api` is set only where something stands in for Twilio."""

    table_name: str
    deliver_queue_url: str
    public_url: str
    twilio_secret: str  # the id of a Secrets Manager secret, or an SSM parameter's name, which starts with a slash
    ses_configuration_set: str
    email_from: str
    due_shards: int = 8
    twilio_api: str | None = None
    alarm_topic: str | None = None  # an SNS topic that hears of urgent tasks


def read(environment: Mapping[str, str]) -> Settings:
    """Raises BadInput that names the variable."""

    def needed(name: str) -> str:
        value = environment.get(name, "")
        if not value:
            raise BadInput(name, "must be set in the environment")
        return value

    shards = environment.get("DUE_SHARDS", "8")
    if not shards.isdecimal() or int(shards) < 1:
        raise BadInput("DUE_SHARDS", "must be a whole number above 0")
    return Settings(
        table_name=needed("TABLE_NAME"),
        deliver_queue_url=needed("DELIVER_QUEUE_URL"),
        public_url=needed("PUBLIC_URL").rstrip("/"),
        twilio_secret=needed("TWILIO_SECRET"),
        ses_configuration_set=needed("SES_CONFIGURATION_SET"),
        email_from=needed("EMAIL_FROM"),
        due_shards=int(shards),
        twilio_api=environment.get("TWILIO_API") or None,
        alarm_topic=environment.get("ALARM_TOPIC") or None,
    )
