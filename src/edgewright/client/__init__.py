"""The Python SDK: the one way in which people, the CLI, the demo and the tests reach a hub.

    from edgewright.client import Client

    with Client.from_environment() as client:
        version = client.models.register("digits", Path("digits.onnx"), snapshot="digits@1")

Importing it is cheap: the HTTP library is loaded when the first Client is made, cryptography with OperatorKeys.
"""

from typing import TYPE_CHECKING, Any

from edgewright.client.client import Client
from edgewright.client.credentials import Credentials, Login
from edgewright.client.project import Project
from edgewright.client.sources import ExportCommand
from edgewright.client.transport import OnUpload, Upload

if TYPE_CHECKING:
    from edgewright.client.keys import OperatorKeys

__all__ = ["Client", "Credentials", "ExportCommand", "Login", "OnUpload", "OperatorKeys", "Project", "Upload"]


def __getattr__(name: str) -> Any:
    if name == "OperatorKeys":
        from edgewright.client.keys import OperatorKeys

        return OperatorKeys
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
