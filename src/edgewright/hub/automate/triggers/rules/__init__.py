"""The rules of triggers: what one may be, when one is meant, and what it does then. No I/O."""

from edgewright.hub.automate.triggers.rules.checking import check_trigger
from edgewright.hub.automate.triggers.rules.deciding import decide, meet
from edgewright.hub.automate.triggers.rules.schedule import last_strike, local_time, next_strike, strikes

__all__ = ["check_trigger", "decide", "last_strike", "local_time", "meet", "next_strike", "strikes"]
