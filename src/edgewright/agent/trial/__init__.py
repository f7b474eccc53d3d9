"""A candidate's trial in a process of its own: the supervisor's end, and the lines in which the worker answers.

The worker's end (`worker`, `golden`, `shadow`) loads a runtime and is not imported here: the supervisor carries none.
"""

from edgewright.agent.trial.launch import Trial, Trials, TrialWorkers
from edgewright.agent.trial.lines import BenchResult, Line, ShadowDone, ShadowReady, TrialResult, judge_shadow

__all__ = [
    "BenchResult",
    "Line",
    "ShadowDone",
    "ShadowReady",
    "Trial",
    "TrialResult",
    "TrialWorkers",
    "Trials",
    "judge_shadow",
]
