"""The spool: records that wait on disk, through crashes and months offline, until the hub has committed them.

Every writing process appends to segments of its own and holds a lock on the one it writes; the supervisor alone
sends, acknowledges, condenses and deletes. A torn tail is ignored and a damaged record costs only itself. What is
acknowledged twice was sent twice: the hub knows records by id. `condensing` is used as a
module.
"""

from edgewright.agent.disk.spool.reader import Entry, Spool
from edgewright.agent.disk.spool.writer import SpoolFull, Writer

__all__ = ["Entry", "Spool", "SpoolFull", "Writer"]
