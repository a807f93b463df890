"""Simulated object stores on loopback, S3 (moto's server) and Google Cloud Storage; and waiting."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from measured import Measured, measure

from cluster.process import free_port


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    # Imported here: every unit test would wait a second and a half for what few of them use.
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/batches", trust_env=False).raise_for_status()
    s3fs.S3FileSystem.clear_instance_cache()
    yield f"http://{host}:{port}"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty place of an object store: `s3://...`.

    One client is used for all, for to make one takes longer than a test.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return f"s3://batches/{secrets.token_hex(8)}"


@pytest.fixture(scope="session")
def gs_server() -> Iterator[str]:
    """Google Cloud Storage, simulated; of conditions (`ifGenerationMatch`) it knows nothing."""
    import gcsfs
    from gcp_storage_emulator.server import create_server

    port = free_port("127.0.0.1")
    with create_server("127.0.0.1", port, in_memory=True, default_bucket="batches"):
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield f"http://127.0.0.1:{port}"
        gcsfs.GCSFileSystem.clear_instance_cache()


@pytest.fixture
def gs_bucket(gs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty place of another object store: `gs://...`."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs_server)
    return f"gs://batches/{secrets.token_hex(8)}"


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something is so, for at most ten seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody of it
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What is recorded in Ray's metrics meanwhile."""
    return measure(monkeypatch)
