"""How a blob reaches who asks for it: from the hub's disk, by the nginx in front of it, or from an S3 bucket."""

from edgewright.hub.registry.serving.answer import Ask, BlobAnswer, Serving
from edgewright.hub.registry.serving.disk import FromDisk
from edgewright.hub.registry.serving.nginx import ByNginx
from edgewright.hub.registry.serving.s3 import FromS3, Mirror, open_bucket

__all__ = [
    "Ask",
    "BlobAnswer",
    "ByNginx",
    "FromDisk",
    "FromS3",
    "Mirror",
    "Serving",
    "open_bucket",
]
