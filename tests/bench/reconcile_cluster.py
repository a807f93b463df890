"""The API server, for many requests at a time, and the two operators as processes that are measured."""

import asyncio
import json
import re
import ssl
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import paths
import psutil
import yaml
from reconcile_findings import Spread
from running import Operator
from scrape import Scrape

from cluster.control_plane import ControlPlane
from tts_operator.objects import KINDS, Kind

PARALLEL = 8
"""Requests of ours that are under way at a time."""
PAGE = 250
LONGEST_LINE = 4 << 20
"""Bytes that an event of a watch may have: a RayService is some twenty thousand."""
WRITING = ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION")
OPERATORS_RESOURCES = {kind.plural for kind in KINDS.values()} - {"pods", "events", "leases"}
"""What our operator writes, but for Events and its Lease."""

Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name."""
T = TypeVar("T")


class RefusedError(Exception):
    """The API server said no."""


def name_of(thing: Object) -> Name:
    """Return what an object is called."""
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


class Cluster:
    """The API server, as an administrator sees it. Use it as a context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        where = config["clusters"][0]["cluster"]
        self._url = where["server"]
        self._context = ssl.create_default_context(
            cadata=b64decode(where["certificate-authority-data"]).decode()
        )
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._url,
            headers=self._headers,
            connector=aiohttp.TCPConnector(ssl=self._context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            read_bufsize=LONGEST_LINE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, kind: Kind, thing: Object) -> float:
        """Make an object; return when the API had answered."""
        namespace = thing["metadata"].get("namespace")
        await self._request("POST", _path(kind, namespace), json=thing)
        return time.monotonic()

    async def patch(self, kind: Kind, name: Name, change: Object, *, status: bool = False) -> float:
        """Merge a change into an object or its status; return when the API had answered."""
        path = f"{_path(kind, name[0])}/{name[1]}{'/status' if status else ''}"
        headers = {"Content-Type": "application/merge-patch+json"}
        await self._request("PATCH", path, data=json.dumps(change), headers=headers)
        return time.monotonic()

    async def list(self, kind: Kind) -> list[Object]:
        """Return all objects of a kind."""
        found: list[Object] = []
        after = ""
        while True:
            query = {"limit": str(PAGE), **({"continue": after} if after else {})}
            page = json.loads(await self._request("GET", _path(kind, None), params=query))
            found += page["items"]
            after = page["metadata"].get("continue", "")
            if not after:
                return found

    async def scrape(self) -> Scrape:
        """Return how often the API server was asked what."""
        text = (await self._request("GET", "/metrics")).decode()
        return Scrape.parse(text, "apiserver_request_total")

    async def watch(self, kind: Kind, saw: Callable[[Object], None]) -> None:
        """Call `saw` with every object that there is, and for ever with each as it changes."""
        page = json.loads(await self._request("GET", _path(kind, None)))
        for thing in page["items"]:
            saw(thing)
        version = page["metadata"]["resourceVersion"]
        while True:
            query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
            async with self._session.get(_path(kind, None), params=query) as response:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise RefusedError(f"the watch of {kind.plural} broke: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED"):
                        saw(event["object"])

    async def _request(self, method: str, path: str, **arguments: Any) -> bytes:
        async with self._session.request(method, path, **arguments) as response:
            body = await response.read()
            if response.status >= 300:
                raise RefusedError(f"{method} {path}: {response.status} {body[:500]!r}")
            return body


def _path(kind: Kind, namespace: str | None) -> str:
    group = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    return f"{group}/namespaces/{namespace}/{kind.plural}" if namespace else f"{group}/{kind.plural}"


async def for_each(things: Iterable[T], call: Callable[[T], Awaitable[None]]) -> float:
    """Call something for each thing, PARALLEL at a time; return how many seconds that took."""
    left = iter(things)
    began = time.monotonic()

    async def some() -> None:
        for thing in left:
            await call(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(PARALLEL):
            group.create_task(some())
    return time.monotonic() - began


class Seen:
    """Objects of a kind that are as they were waited for, and when each was first seen so."""

    def __init__(self, cluster: Cluster, kind: Kind, is_so: Callable[[Object], bool]) -> None:
        self.times: dict[Name, float] = {}
        self._cluster, self._kind, self._is_so = cluster, kind, is_so

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._cluster.watch(self._kind, self._look))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, count: int, patience: float) -> bool:
        """Wait until there are so many; tell whether they came in time."""
        deadline = time.monotonic() + patience
        while len(self.times) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            if self._task.done():
                await self._task
        return len(self.times) >= count

    def _look(self, thing: Object) -> None:
        name = name_of(thing)
        if name not in self.times and self._is_so(thing):
            self.times[name] = time.monotonic()


def spoken_of(model: Object) -> bool:
    """Return whether a resource's status is of the resource as it is now."""
    return bool(model.get("status", {}).get("observedGeneration") == model["metadata"]["generation"])


def is_ready(model: Object) -> bool:
    """Return whether a VoiceModel's status, of the resource as it is now, says that it is Ready."""
    conditions = model.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and spoken_of(model)


def has_cluster(service: Object) -> bool:
    """Return whether KubeRay named a RayService's cluster."""
    status = service.get("status", {})
    return any(
        status.get(part, {}).get("rayClusterName") for part in ("activeServiceStatus", "pendingServiceStatus")
    )


class Subject(Protocol):
    """An operator that runs in a process of its own."""

    name: str

    @property
    def process(self) -> psutil.Process:
        """Its process, while it runs."""
        ...

    async def scrape(self) -> Scrape:
        """Return what it has counted so far."""
        ...

    def reconciles(self, counted: Scrape) -> float:
        """Return how many reconciles there were."""
        ...

    def requests(self, counted: Scrape) -> tuple[dict[str, float], dict[str, float]]:
        """Return how many requests read and how many wrote, by what they were."""
        ...

    def spreads(self, counted: Scrape) -> tuple[Spread | None, Spread | None]:
        """Return how long reconciles took, and how long what was due had to wait for them."""
        ...


def chart_defaults() -> dict[str, str]:
    """Return the settings that the chart gives the operator where no value is set."""
    values = yaml.safe_load((paths.ROOT / "charts/tts-playground/values.yaml").read_text(encoding="utf-8"))
    chosen = values["operator"]
    return {
        "workers": str(chosen["workers"]),
        "resync_seconds": str(chosen["resyncSeconds"]),
        "poll_seconds": str(chosen["pollSeconds"]),
        "request_timeout": str(chosen["requestTimeoutSeconds"]),
        "log_level": chosen["logLevel"],
        "leader_election": "true",
        "namespaces": "",
    }


class Ours(Operator):
    """Our operator, with the settings that the chart gives it unless others are given."""

    name = "ours"

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        super().__init__(kubeconfig, log, **{"identity": "bench", **chart_defaults(), **settings})

    def start(self) -> None:
        """Start it; return when it answers."""
        self._port: int | None = None
        super().start()

    @property
    def port(self) -> int | None:
        """Where it serves its metrics; looked up in its log once."""
        if self._port is None:
            self._port = super().port
        return self._port

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None

    @property
    def process(self) -> psutil.Process:
        """See Subject."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def errors(self) -> int:
        """How many errors it logged since it was started."""
        return len(re.findall(r'"level": "(?:ERROR|CRITICAL)"', self.log))

    async def scrape(self) -> Scrape:
        """See Subject."""
        return await _scrape(f"http://127.0.0.1:{self.port}/metrics", "tts_operator_")

    def reconciles(self, counted: Scrape) -> float:
        """See Subject."""
        return counted.total("tts_operator_reconciles_total")

    def requests(self, counted: Scrape) -> tuple[dict[str, float], dict[str, float]]:
        """See Subject."""
        reads: dict[str, float] = {}
        writes: dict[str, float] = {}
        for (verb, kind), count in counted.by("tts_operator_api_calls_total", "verb", "kind").items():
            if kind != "Lease":
                (reads if verb in ("get", "list", "log") else writes)[f"{verb} {kind}"] = count
        return reads, writes

    def spreads(self, counted: Scrape) -> tuple[Spread | None, Spread | None]:
        """See Subject."""
        return _spread(counted, "tts_operator_reconcile_seconds"), _spread(
            counted, "tts_operator_queue_seconds"
        )


class KubeRay:
    """KubeRay's operator, as the control plane runs it: with its defaults."""

    name = "KubeRay"

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def start(self) -> None:
        """Start it; return when it is ready."""
        self._plane.start_kuberay()

    def stop(self) -> None:
        """End it."""
        self._plane.stop_kuberay()

    @property
    def process(self) -> psutil.Process:
        """See Subject."""
        return process_of(self._plane, "kuberay")

    async def scrape(self) -> Scrape:
        """See Subject."""
        (address,) = (
            word.partition("=")[2] for word in self.process.cmdline() if word.startswith("-metrics-addr=")
        )
        return await _scrape(f"http://{address}/metrics", "controller_runtime_", "rest_client_", "workqueue_")

    def reconciles(self, counted: Scrape) -> float:
        """Return how many reconciles of RayServices there were."""
        by_controller = counted.by("controller_runtime_reconcile_total", "controller")
        return sum(count for (name,), count in by_controller.items() if "rayservice" in name)

    def requests(self, counted: Scrape) -> tuple[dict[str, float], dict[str, float]]:
        """See Subject."""
        methods = {
            method: count for (method,), count in counted.by("rest_client_requests_total", "method").items()
        }
        reads = {method: count for method, count in methods.items() if method == "GET"}
        return reads, {method: count for method, count in methods.items() if method != "GET"}

    def spreads(self, counted: Scrape) -> tuple[Spread | None, Spread | None]:
        """See Subject."""
        controllers = [name for (name,) in counted.by("controller_runtime_reconcile_total", "controller")]
        (name,) = (name for name in controllers if "rayservice" in name)
        return (
            _spread(counted, "controller_runtime_reconcile_time_seconds", controller=name),
            _spread(counted, "workqueue_queue_duration_seconds", name=name),
        )


def process_of(plane: ControlPlane, name: str) -> psutil.Process:
    """Return a process of the control plane."""
    for pid in plane.pids:
        process = psutil.Process(pid)
        if Path(process.cmdline()[0]).name.startswith(f"{name}-"):
            return process
    raise LookupError(f"{name} does not run")


def cpu_seconds(*processes: psutil.Process) -> float:
    """Return the CPU seconds that processes have taken."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


def peak(process: psutil.Process) -> int:
    """Return the most bytes that a process ever held, where the system tells; else those that it holds."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return int(process.memory_info().rss)


def server_writes(counted: Scrape) -> float:
    """Return how many requests wrote what our operator writes."""
    requests = counted.by("apiserver_request_total", "verb", "resource", "subresource")
    return sum(
        count
        for (verb, resource, subresource), count in requests.items()
        if verb in WRITING and resource in OPERATORS_RESOURCES and subresource != "token"
    )


async def _scrape(url: str, *prefixes: str) -> Scrape:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return Scrape.parse(await response.text(), *prefixes)


def _spread(counted: Scrape, name: str, /, **only: str) -> Spread | None:
    p50, p99 = counted.quantile(name, 0.5, **only), counted.quantile(name, 0.99, **only)
    return None if p50 is None or p99 is None else Spread(p50, p99)
