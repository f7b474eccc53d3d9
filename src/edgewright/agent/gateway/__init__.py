"""The gateway: localhost HTTP for all models of this device, pipelines of two, and a page that says how it stands.

A child process without numpy or runtime, which passes requests on to the workers' sockets; `Gateway` keeps it running.
"""

from edgewright.agent.gateway.part import Gateway

__all__ = ["Gateway"]
