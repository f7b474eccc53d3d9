"""The process in which a hub has a rollout rehearsed: see hub/children.py."""

from __future__ import annotations

from edgewright.hub.children import serve
from edgewright.hub.rehearsals.question import Question
from edgewright.sim.rehearsal.play import play

serve(play, Question)
