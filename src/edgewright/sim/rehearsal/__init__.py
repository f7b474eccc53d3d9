"""Rehearsals: a rollout on a copy of a fleet, whose devices are the agent's pure states on lines as were measured."""
