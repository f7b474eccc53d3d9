"""Simulated fleets in virtual time, around the real hub and the real agent: rehearsals, campaigns of faults, load.

Nobody imports this room: the hub starts a rehearsal as a child process, `python -m edgewright.sim`.
"""
