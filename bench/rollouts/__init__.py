"""Rollouts over a whole fleet, measured: fleets by the hundred thousand, planned, started and carried through."""
