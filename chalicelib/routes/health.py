"""Is it alive? For monitoring; nothing about any patient."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib import wiring
from reminders.errors import Unavailable

routes = Blueprint(__name__)


@routes.route("/health")
def health() -> Response:
    """The last tick (UTC), how late the most overdue message is in seconds, and how many turns wait in the queue."""
    house, vitals = wiring.current(), wiring.vitals()
    try:
        last_tick, oldest, depth = vitals.last_tick(), house.store.earliest_due(), vitals.queue_depth()
    except Unavailable as error:
        return Response({"problem": str(error)}, status_code=503)
    overdue_s = max(0.0, (house.now() - oldest).total_seconds()) if oldest else 0.0
    return Response(
        {
            "last_tick": last_tick.isoformat() if last_tick else None,
            "oldest_overdue_s": round(overdue_s),
            "queue_depth": depth,
        }
    )
