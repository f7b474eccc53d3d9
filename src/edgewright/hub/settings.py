"""The hub's settings: EDGEWRIGHT_HUB_* variables over these defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from edgewright.contract.order import MAX_POLL_S, MAX_TTL_S, MIN_POLL_S


class Settings(BaseSettings):
    """Where the hub keeps things, and how strict it is. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="EDGEWRIGHT_HUB_")

    dir: Annotated[Path, AfterValidator(Path.resolve)]
    database_url: str = ""  # "" means SQLite in `dir`
    approvals_needed: int = 1
    order_ttl_s: float = Field(default=86_400.0, gt=0, le=MAX_TTL_S)
    poll_s: float | None = Field(default=None, ge=MIN_POLL_S, le=MAX_POLL_S)  # None: as each device is set
    requests_waiting: int = Field(default=2000, ge=1)  # of devices, beyond check-ins from memory; then 429
    orders_kept_bytes: int = Field(default=64 * 1024**2, ge=0)  # for orders that have something done; 1 kB each
    commits_waiting: int = Field(default=5000, ge=1)  # changes that wait for a shared commit; beyond that: 429
    delta_disk_bytes: int = 20 * 1024**3  # deltas take at most so much of the disk
    delta_run_cpu_s: float = 1800.0  # for all deltas of a rollout
    delta_pair_cpu_s: float = 600.0  # for each of them
    delta_bases: int = 8  # that are tried for each file
    delta_workers: int = 1
    lake_url: str = ""  # a folder, or s3://BUCKET/PREFIX; "" means beside the blobs
    lake_every_s: float = Field(default=10.0, gt=0)  # how often what has arrived moves on to the lake
    blob_serving: Literal["hub", "nginx", "s3"] = "hub"
    nginx_location: str = "/edgewright-blobs/"  # an internal location of nginx over DIR/blobs
    s3_url: str = ""  # s3://BUCKET/PREFIX; its keys come from AWS_* variables
    s3_endpoint: str = ""  # for stores other than Amazon's
    s3_region: str = ""
    s3_link_s: float = Field(default=900.0, gt=0, le=604_800)  # how long an address that devices are sent to is good
    public_url: str = ""  # where a Ray cluster or one's own CI reaches this hub: http(s)://host[:port]
    ray_url: str = ""  # of a Ray dashboard; nothing else is called
    ray_token: str = ""
    ci_url: str = ""  # what is called for steps with where = "ci"; nothing else is
    ci_secret: str = ""  # whsec_…, shared with the CI: it signs calls and answers
    ci_style: Literal["edgewright", "github", "gitlab"] = "edgewright"
    ci_token: str = ""  # of the service, for github and gitlab
    ci_ref: str = "main"  # the branch whose pipeline gitlab starts
    cohort_labels: tuple[str, ...] = ("site",)  # devices are compared by these labels, by hardware and by agent
    metrics: Literal["token", "open", "off"] = "token"  # who may read /metrics: people's tokens, everybody, nobody
    secrets: tuple[Path, ...] = ()  # people's keys and logins, where they lie on this machine

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What no training command shall see."""
        return (self.dir, *(path.resolve() for path in self.secrets))

    @property
    def lake(self) -> str:
        """Where the lake is: where blobs are, unless somebody has said."""
        beside = f"{self.s3_url.rstrip('/')}/lake" if self.blob_serving == "s3" else str(self.dir / "lake")
        return self.lake_url or beside

    @property
    def url(self) -> str:
        """The database's SQLAlchemy address."""
        return self.database_url or f"sqlite:///{self.dir / 'hub.sqlite'}"
