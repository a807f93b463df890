"""Settings of the served app: each has a default, and an environment variable `TTSP_<NAME>` to change it."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be configured where the playground runs. The replicas read the same variables."""

    model_config = SettingsConfigDict(
        env_prefix="TTSP_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # the input may be a key or a password
    )

    host: str = "127.0.0.1"
    """Address that the API listens on. Beyond loopback an `api_key` is required."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port that the API listens on."""
    api_key: SecretStr | None = None
    """Bearer token that `/v1` requires; none is required when it is unset."""

    audio_output: str = "audio-output"
    """Folder, or fsspec URL, where durable speeches are saved."""
    state_dir: Path = Path("~/.local/state/tts-playground")
    """Folder for the database, the logs and Ray's token: readable by its owner only."""
    database_url: str = ""
    """URL of the metadata database: `sqlite:////folder/file` or `postgresql://user:password@host/name`; when
    empty, `metadata.sqlite` in `state_dir`."""

    queue: Annotated[int, Field(ge=0, le=100_000)] = 32
    """Requests that may wait for a model; one more is answered 429."""
    durable_queue: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Durable speeches that may be unfinished at a time; one more is answered 429."""
    durable_workers: Annotated[int, Field(ge=1, le=1000)] = 2
    """Durable speeches that are processed at a time."""
    max_input: Annotated[int, Field(ge=1)] = 4096
    """Characters that `POST /v1/audio/speech` takes."""
    max_text: Annotated[int, Field(ge=1)] = 100_000
    """Characters that `POST /v1/speech` takes."""
    max_body: Annotated[int, Field(ge=1024)] = 1 << 20
    """Bytes that a request's body may have."""
    max_wait: Annotated[float, Field(gt=0)] = 60.0
    """Longest `Prefer: wait=` that is honoured, in seconds."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least serious level that is logged."""
    log_dir: Path | None = None
    """Folder of the JSON logs, one file per component; standard error when unset."""

    object_store_bytes: Annotated[int, Field(ge=80 << 20)] = 128 << 20
    """Shared memory of the embedded Ray: it holds segments on their way from the model to the gateway."""
    dashboard: bool = False
    """Whether the embedded Ray runs its dashboard: on loopback, behind its token, 240 MB more memory."""
    dashboard_port: Annotated[int, Field(ge=1, le=65535)] = 8265
    """Port of that dashboard."""
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = 8090
    """Port on loopback where the embedded Ray serves Prometheus metrics; any free one when unset."""
    batch_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of each node's CPU, GPU, disk and network above which batches add no load."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        """Refuse unsupported databases; SQLAlchemy checks the rest of the URL when it opens the database."""
        if url and not re.match(r"sqlite:///(?!:memory:).|(postgres|postgresql(\+psycopg)?)://.", url):
            raise ValueError(
                "it must be a database's URL: sqlite:////folder/file or postgresql://user:password@host/name"
            )
        return url

    @property
    def state(self) -> Path:
        """`state_dir` with `~` expanded."""
        return self.state_dir.expanduser()

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.state.absolute() / 'metadata.sqlite'}"

    def export(self) -> None:
        """Put every setting into the environment, so that Ray's processes read the same."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            variable = f"TTSP_{name.upper()}"
            if value is None:
                os.environ.pop(variable, None)
            else:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                os.environ[variable] = text
