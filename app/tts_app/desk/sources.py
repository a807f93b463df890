"""Where figures come from: a playground on this machine, the pods of a cluster, or a Prometheus."""

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from tts_app.desk.conditions import FINAL, rows_of
from tts_app.desk.kubectl import Kubectl, KubectlError
from tts_app.desk.scrapes import Scrape, parse
from tts_app.resources.tts_job import DEFAULT_SERVICE

_METRICS = "metrics"
"""Name of the port on which Ray's pods export metrics."""
_TIMEOUT = 30.0
_CALLS = 8
"""Pods that are asked at a time."""
_UNREADY = re.compile(r"Model '([^']+)' is not ready: (.*?)(?= Model '[^']+' is not ready: |$)", re.DOTALL)
"""Each model that /readyz names, and its reason."""
_BUSY = "its replicas are busy"
"""How `serving.readiness` says that a replica runs and does not answer."""
_OURS = '{__name__=~"ray_ttsp_.+|ray_node_.+"%s}'


class SourceError(Exception):
    """The figures cannot be had; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be said beside figures."""

    notes: Sequence[str] = ()
    """A line for each thing that is not as it should be."""
    jobs: Sequence[str] = ()
    """A line for each TTSJob that has not ended."""
    unready: Sequence[str] = ()
    """Models that do not answer, as /readyz says, those that are busy left out."""
    busy: Sequence[str] = ()
    """Models whose replicas did not answer /readyz in time because they are busy, or are started again."""


class Source(Protocol):
    """Gives scrapes, and what is to be said beside them."""

    def scrape(self) -> Scrape:
        """Return the samples of now. Raises SourceError."""
        ...

    def standing(self) -> Standing:
        """Return what is to be said now."""
        ...


class PlaygroundSource:
    """A playground that `ttsp serve` runs."""

    def __init__(self, url: str, metrics: str, key: str | None) -> None:
        """`url` is the API's address, `metrics` that of Ray's metrics."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._metrics = metrics
        self._api = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def scrape(self) -> Scrape:
        """See Source."""
        try:
            answer = httpx.get(self._metrics, timeout=_TIMEOUT, trust_env=False)
        except httpx.HTTPError as error:
            raise SourceError(
                f"{self._metrics} does not answer ({type(error).__name__}): is a playground running here? "
                "TTSP_STATE_DIR names the folder of another one, TTSP_PORT and TTSP_METRICS_PORT its ports; "
                "--url and --metrics name other addresses."
            ) from error
        return _parsed(self._metrics, [_body(self._metrics, answer)])

    def standing(self) -> Standing:
        """See Source."""
        try:
            answer = self._api.get("/readyz")
        except httpx.HTTPError as error:
            return Standing([f"The API at {self._api.base_url} does not answer: {type(error).__name__}."])
        if answer.status_code == httpx.codes.OK:
            return Standing()
        try:
            said = str(answer.json()["error"]["message"])
            reasons = _UNREADY.findall(said)
            busy = [model for model, reason in reasons if reason.startswith(_BUSY)]
            return Standing([said], unready=[model for model, _ in reasons if model not in busy], busy=busy)
        except (ValueError, KeyError, TypeError):
            said = f"{self._api.base_url} is no playground: /readyz answers {answer.status_code}."
            return Standing([said])


class ClusterSource:
    """The pods of a cluster, by the API server's proxy."""

    def __init__(self, kubectl: Kubectl, service: str) -> None:
        """`service`: its name; empty: all services of the namespace."""
        self._kubectl = kubectl
        self._service = service
        self._unread: Sequence[str] = ()

    def scrape(self) -> Scrape:
        """See Source. A pod that does not answer is left out; the notes name it."""
        read, self._unread = self.read()
        return _parsed("a pod", list(read.values()))

    def read(self) -> tuple[dict[str, str], list[str]]:
        """Return the metrics by the pod's name, and a line for each pod that does not answer.

        Raises:
            SourceError: none does, or there is none.
        """
        try:
            pods = [pod for pod in self._kubectl.pods(self._service) if _exports(pod)]
        except KubectlError as error:
            raise SourceError(str(error)) from error
        if not pods:
            which = f"service {self._service!r}" if self._service else "a service"
            raise SourceError(f"No pod of {which} runs in this namespace: `kubectl ttsp status` says why.")
        with ThreadPoolExecutor(_CALLS) as threads:
            read = list(threads.map(self._read, pods))
        unread = [error for _, error in read if error]
        texts = {
            pod["metadata"]["name"]: text
            for pod, (text, _) in zip(pods, read, strict=True)
            if text is not None
        }
        if not texts:
            raise SourceError(
                f"No pod gives its metrics: {unread[0]} The NetworkPolicy may keep the API server out: "
                "--prometheus asks a Prometheus instead."
            )
        return texts, unread

    def standing(self) -> Standing:
        """See Source."""
        found = _standing(self._kubectl, self._service)
        return Standing([*found.notes, *self._unread], found.jobs)

    def _read(self, pod: Mapping[str, Any]) -> tuple[str | None, str]:
        """Return a pod's metrics, or why there are none."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}:{_port(pod)}/proxy/metrics"
        try:
            return self._kubectl.raw(path), ""
        except KubectlError as error:
            return None, f"Pod {name} gives no metrics: {error}"


class PrometheusSource:
    """A Prometheus that scrapes the service."""

    def __init__(
        self, url: str, selector: str = "", kubectl: Kubectl | None = None, service: str = ""
    ) -> None:
        """`selector` has matchers of labels, such as `namespace="speech"`."""
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._query = _OURS % (f", {selector}" if selector else "")
        self._kubectl = kubectl
        self._service = service

    def scrape(self) -> Scrape:
        """See Source."""
        try:
            answer = httpx.get(self._url, params={"query": self._query}, timeout=_TIMEOUT)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise SourceError(
                f"{self._url} is no Prometheus that answers: {type(error).__name__}."
            ) from error
        if found.get("status") != "success":
            raise SourceError(f"Prometheus refuses the query: {found.get('error', answer.status_code)}.")
        samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for series in found["data"]["result"]:
            labels = dict(series["metric"])
            samples.setdefault(labels.pop("__name__"), {})[frozenset(labels.items())] = float(
                series["value"][1]
            )
        return Scrape(time.monotonic(), samples)

    def standing(self) -> Standing:
        """See Source."""
        return _standing(self._kubectl, self._service) if self._kubectl is not None else Standing()


def _standing(kubectl: Kubectl, service: str) -> Standing:
    """Return what the resources say: those that are not ready, conditions to look at, jobs that run."""
    try:
        found = kubectl.resources()
    except KubectlError as error:
        return Standing([f"The resources cannot be read: {error}"])
    rows = rows_of([one for one in found if not service or _service_of(one) == service])
    served = [row for row in rows if row.kind != "TTSJob"]
    notes = [f"{row.kind} {row.name}: {row.cause}" for row in served if row.state != "Ready"]
    notes += [f"{row.kind} {row.name}: {a.type}, {a.message}" for row in rows for a in row.alarms]
    jobs = [row for row in rows if row.kind == "TTSJob" and row.state not in FINAL]
    return Standing(notes, [f"{row.name}: {row.state} {row.detail}".rstrip() for row in jobs])


def _service_of(resource: Mapping[str, Any]) -> str:
    """Return the service that a resource belongs to; a job with a cluster of its own copies one."""
    if resource["kind"] == "Playground":
        return str(resource["metadata"]["name"])
    spec = resource["spec"]
    return str(spec.get("service") or spec.get("ephemeral", {}).get("copyOf") or DEFAULT_SERVICE)


def _exports(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod runs and has the metrics of a Ray node."""
    return pod.get("status", {}).get("phase") == "Running" and _port(pod) is not None


def _port(pod: Mapping[str, Any]) -> int | None:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", ()))
    return next((port["containerPort"] for port in ports if port.get("name") == _METRICS), None)


def _body(address: str, answer: httpx.Response) -> str:
    if answer.status_code != httpx.codes.OK:
        raise SourceError(f"{address} answers {answer.status_code}, not metrics.")
    return answer.text


def _parsed(where: str, texts: Sequence[str]) -> Scrape:
    try:
        return parse(time.monotonic(), texts)
    except ValueError as error:
        raise SourceError(f"What {where} answers is not in Prometheus' format: {error}.") from error
