"""HTTP/1.1 for apps on this device: uvicorn over any listening socket, whole requests, and an end that loses none.

No numpy, no runtime: the gateway uses it too.
"""

from edgewright.agent.serve.http.message import (
    JSON_TYPE,
    Buffer,
    Handler,
    Headers,
    Reply,
    Request,
    error_reply,
    json_reply,
)

__all__ = [
    "Buffer",
    "Handler",
    "Headers",
    "JSON_TYPE",
    "Reply",
    "Request",
    "error_reply",
    "json_reply",
]
