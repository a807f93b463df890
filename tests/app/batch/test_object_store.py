"""A batch into a simulated S3 (moto's server): the store goes away for a while, and the driver is killed.

And one into a simulated Google Cloud Storage.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import fsspec
import gcsfs
import pytest
import s3fs
from drivers import Batch
from gcp_storage_emulator.server import create_server
from killing import kill_all
from moto.server import ThreadedMotoServer
from simulated import audio

from cluster.process import free_port

AVATARS = ["female_ar-EG", "male_ar-EG", "female_en-US", "male_en-US"]
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Door:
    """A port on loopback that leads to a server, and can be shut: connections are then refused or cut."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = True
        self.refused = 0
        """Connections that were refused."""
        self._ended = False
        self._pairs: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def shut(self) -> None:
        self._open = False
        for end in self._pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self._ended = True
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                self.refused += 1
                client.close()
                continue
            behind = socket.create_connection(self._server)
            self._pairs += [client, behind]
            for source, target in ((client, behind), (behind, client)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def door() -> Iterator[Door]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = Door((host, port))
    yield made
    made.close()
    server.stop()


@pytest.fixture
def store(door: Door, lone_batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    settings = {**ACCOUNT, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{door.port}"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    lone_batch.environment |= {**settings, "OUTPUT": "s3://hotel/audio"}
    s3fs.S3FileSystem.clear_instance_cache()
    found = fsspec.filesystem("s3", use_listings_cache=False)
    found.mkdir("hotel")
    yield found
    found.rm("hotel", recursive=True)  # moto keeps one store a process
    s3fs.S3FileSystem.clear_instance_cache()


def files(store: s3fs.S3FileSystem | gcsfs.GCSFileSystem) -> dict[str, bytes]:
    paths = [path for path in store.ls("hotel/audio") if path.endswith(".mp3")]
    return {path.rpartition("/")[2]: store.cat_file(path) for path in paths}


def expected(posts: int) -> dict[str, bytes]:
    return {
        f"post_{n:02d}_{avatar}.mp3": audio(f"Post number {n}.", avatar)
        for n in range(1, posts + 1)
        for avatar in AVATARS
    }


def test_batch_waits_while_the_object_store_is_away(
    store: s3fs.S3FileSystem, door: Door, lone_batch: Batch
) -> None:
    batch = lone_batch
    batch.post(15)
    batch.hold_after(30)
    driver = batch.start()
    batch.wait_for(lambda: len(batch.rendered) >= 31, driver)
    door.shut()
    batch.let_go()
    log = batch.folder / "driver-0.log"
    batch.wait_for(lambda: "the output cannot be written" in log.read_text(), driver)
    refused = door.refused
    batch.wait_for(lambda: door.refused > refused, driver)  # it looks again, and finds it away
    assert driver.poll() is None, log.read_text()[-2000:]
    door.open()
    assert batch.end(driver)["outcome"] == "Succeeded"
    assert files(store) == expected(15)
    assert len(store.cat_file("hotel/audio/manifest.jsonl").splitlines()) == 60


def test_batch_driver_takes_over_when_the_lease_of_a_killed_one_ends(
    store: s3fs.S3FileSystem, lone_batch: Batch
) -> None:
    batch = lone_batch
    batch.post(10)
    batch.hold_after(24)
    driver = batch.start(LEASE_SECONDS="6")
    batch.wait_for(lambda: len(batch.rendered) >= 20, driver)
    kill_all(driver)
    batch.let_go()
    done = {
        (record["avatar"], record["post"])
        for path in store.ls("hotel/audio/.ttsp/ledger")
        for record in map(json.loads, store.cat_file(path).splitlines())
    }
    seen = len(batch.rendered)
    assert batch.end(batch.start(LEASE_SECONDS="6"))["outcome"] == "Succeeded"
    again = {(avatar, int(text.split()[-1].rstrip("."))) for _, avatar, text in batch.rendered[seen:]}
    assert done
    assert not done & again, "what was done is rendered again"
    assert files(store) == expected(10)


def test_batch_writes_to_google_cloud_storage(lone_batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = lone_batch
    port = free_port("127.0.0.1")
    emulator = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    batch.environment |= {"STORAGE_EMULATOR_HOST": emulator, "OUTPUT": "gs://hotel/audio"}
    with create_server("127.0.0.1", port, in_memory=True, default_bucket="hotel"):
        batch.post(5)
        assert batch.end(batch.start())["outcome"] == "Succeeded"
        seen = len(batch.rendered)
        batch.post(6)
        assert batch.end(batch.start())["outcome"] == "Succeeded"
        assert len(batch.rendered) == seen + len(AVATARS), "what was done is rendered again"
        store = gcsfs.GCSFileSystem(use_listings_cache=False, skip_instance_cache=True)
        assert files(store) == expected(6)
        assert len(store.cat_file("hotel/audio/manifest.jsonl").splitlines()) == 24
