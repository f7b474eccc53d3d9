"""How a network learns here: from labelled rows, changed copies of them, and what the source answers to each."""

from edgewright.hub.optimize.steps.training.learning.goal import Goal, Task, goal_of
from edgewright.hub.optimize.steps.training.learning.lessons import Lessons, lessons
from edgewright.hub.optimize.steps.training.learning.loop import Plan, learn, settle
from edgewright.hub.optimize.steps.training.learning.rows import Layout, Rows, labelled, layout_of
from edgewright.hub.optimize.steps.training.learning.teacher import Teacher

__all__ = [
    "Goal",
    "Layout",
    "Lessons",
    "Plan",
    "Rows",
    "Task",
    "Teacher",
    "goal_of",
    "labelled",
    "layout_of",
    "learn",
    "lessons",
    "settle",
]
