"""Events: what happened, committed with the change that made it happen, told to subscribers at least once."""

from edgewright.hub.events.service import TRIES, Events, Handler
from edgewright.hub.events.table import Event, cursor_table, event_table
from edgewright.hub.events.watching import Watcher

__all__ = ["TRIES", "Event", "Events", "Handler", "Watcher", "cursor_table", "event_table"]
