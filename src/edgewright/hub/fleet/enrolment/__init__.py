"""Enrolment: claim tokens, first contacts, and new boards that take the place of old ones."""

from edgewright.hub.fleet.enrolment.claims import Claims
from edgewright.hub.fleet.enrolment.contacts import Contacts, WrongHardware, check_enrol_request
from edgewright.hub.fleet.enrolment.replacing import AlreadyReplaced, Replacing, Successor

__all__ = ["Claims", "Contacts", "AlreadyReplaced", "Replacing", "Successor", "WrongHardware", "check_enrol_request"]
