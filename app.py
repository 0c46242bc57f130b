"""Lambda's front door: the clock, the queue, the table's stream, receipts of email, and the routes.

Schedule, queue and stream functions stay in this file: from a blueprint Lambda would load them without ever
importing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, SNSEvent, SQSEvent

from chalicelib import logs, sqs, wiring
from chalicelib.batches import Batch
from chalicelib.dynamo_stream import changed
from chalicelib.routes import health, inbound, patient, webhooks
from chalicelib.ses_email import read_event
from reminders import adopting, workflow
from reminders.errors import Unavailable
from reminders.ports import PatientRef
from reminders.settling import settle

logs.start()
app = Chalice(app_name="reminders", configure_logs=False)
app.register_middleware(logs.discreet)
app.register_blueprint(health.routes)
app.register_blueprint(webhooks.routes)
app.register_blueprint(inbound.routes)
app.register_blueprint(patient.routes)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tick(_event: CloudWatchEvent) -> None:
    """Queue everybody who has something due before the next minute."""
    house = wiring.current()
    workflow.dispatch(house.store, house.queue, house.now())
    wiring.vitals().ticked(house.now())


# The template puts this stack's own queue, stream and topic in the place of the names here.
@app.on_sqs_message(queue="DeliverQueue", batch_size=10, maximum_concurrency=15)
def deliver(event: SQSEvent) -> dict[str, Any]:
    """Send these patients what is due now."""
    turns = Batch.of(((record.to_dict()["messageId"], record.body) for record in event), sqs.read)
    return turns.answer(workflow.deliver(wiring.desk(), turns.ids, wiring.current().now()))


@app.on_dynamodb_record(
    stream_arn="Table", batch_size=100, starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=1
)
def adopt(event: DynamoDBEvent) -> dict[str, Any]:
    """Take over what a booking system wrote."""
    changes = Batch.of(((record.sequence_number, record.keys) for record in event), changed)
    return changes.answer(_not_adopted(changes.ids))


@app.on_sns_message(topic="EmailReceipts")
def email_events(event: SNSEvent) -> None:
    """Settle what became of an email."""
    house, told = wiring.current(), read_event(event.message)
    if told is not None:
        about = told.tags
        settle(house.store, about.ref, about.session, about.entry, told.ref, told.receipt, told.code, house.now())


def _not_adopted(refs: Iterable[PatientRef]) -> Iterator[PatientRef]:
    for ref in refs:
        try:
            adopting.adopt(wiring.desk(), ref, wiring.current().now())
        except Unavailable:
            yield ref
