"""What a support bundle is made of: at the desk, and on a cluster. A part that cannot be had says why."""

import importlib.metadata
import json
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from tts_app.desk.bundle import Entry
from tts_app.desk.conditions import rows_of
from tts_app.desk.kubectl import SERVICE_LABEL, Kubectl, KubectlError
from tts_app.desk.redaction import Redactor, plain_settings
from tts_app.desk.sources import ClusterSource, SourceError
from tts_app.serving.running import Running
from tts_app.settings import Settings

_LINES = 5000
"""Last lines of each log."""
_TIMEOUT = 30.0
_PACKAGES = (
    "tts-playground",
    "ray",
    "fastapi",
    "starlette",
    "pydantic",
    "onnxruntime",
    "torch",
    "transformers",
)
_PLAIN = ("host", "profile", "log_level", "oidc_tenant_claim", "oidc_scope_claim", "oidc_mfa_claim")
"""Settings whose text is shown: what it may be is listed, or no secret."""
_SECRET_FILES = ("ray-token", "key-pepper", "audit-key", "voice-key", "text-hash.key")
_RAY_LOGS = (
    "raylet*.out",
    "raylet*.err",
    "gcs_server*.out",
    "gcs_server*.err",
    "dashboard*.log",
    "monitor*.log",
)
"""Logs of Ray's own processes. Those of workers and drivers are left out: they have what code prints."""
_OPERATOR = "app.kubernetes.io/name=tts-playground"


def of_playground(settings: Settings, running: Running | None, url: str, metrics: str) -> Iterator[Entry]:
    """Yield the parts of the bundle of a playground of this machine; it need not run.

    `running` is what it says of itself; None: nothing, so nothing of its Ray is known.
    """
    redactor = Redactor(frozenset(known_secrets(settings)))
    yield Entry("versions.json", "versions of Python, its packages and the system", _json(_versions()))
    yield _settings(redactor, settings, running)
    key = settings.api_key.get_secret_value() if settings.api_key else None
    yield _fetched(redactor, "state.json", "which models answer (/readyz)", f"{url}/readyz", key)
    yield _fetched(redactor, "metrics.prom", "a scrape of the metrics", metrics, None)
    folder = Path(running.logs) if running else settings.log_dir or settings.state / "logs"
    for path in sorted(folder.glob("*.jsonl*")):
        kept, left_out = redactor.our_lines(_tail(path))
        yield _log(f"logs/{path.name}", kept, left_out, "lines of the playground")
    for path in _ray_logs(Path(running.ray)) if running else ():
        kept, left_out = redactor.ray_lines(_tail(path))
        if kept:
            yield _log(f"ray/{path.name}", kept, left_out, "warnings and errors of Ray")


def of_cluster(kubectl: Kubectl, service: str, operator_namespace: str) -> Iterator[Entry]:
    """Yield the parts of the bundle of a cluster: of `service`, or of all services of the namespace."""
    redactor = Redactor()
    found = _asked(lambda: json.loads(kubectl.text("version", "--output=json")))
    about = "versions of Kubernetes and of this command"
    yield Entry("versions.json", about, _json({**_versions(), "kubernetes": found}))
    rows = _asked(lambda: [asdict(row) for row in rows_of(kubectl.resources())])
    about = "Playgrounds, models and TTSJobs: state and conditions, not what they were made of"
    yield Entry("conditions.json", about, _json(redactor.value(rows)))
    try:
        pods = kubectl.pods(service)
    except KubectlError as error:
        yield Entry("pods.json", "the pods could not be read", _json({"error": str(error)}))
        pods = []
    else:
        yield Entry("pods.json", "the pods: images, phases, restarts", _json([_pod(pod) for pod in pods]))
    source = ClusterSource(kubectl, service)
    try:
        read, unread = source.read()
    except SourceError as error:
        yield Entry("metrics.txt", "the metrics could not be read", redactor.text(str(error)))
    else:
        for name, text in read.items():
            yield Entry(f"metrics/{name}.prom", "a scrape of a pod's metrics", redactor.text(text))
        if unread:
            yield Entry("metrics.txt", "metrics that could not be read", redactor.text("\n".join(unread)))
    for pod in pods:
        name, where = pod["metadata"]["name"], pod["metadata"]["namespace"]
        yield _pod_log(kubectl, redactor, name, where)
    operators = _asked(lambda: kubectl.named_pods(_OPERATOR, operator_namespace))
    for pod in operators if isinstance(operators, list) else ():
        yield _pod_log(kubectl, redactor, pod["metadata"]["name"], pod["metadata"]["namespace"])


def known_secrets(settings: Settings) -> Iterator[str]:
    """Yield the secrets of a playground: those of its settings, and those in files that it made or names."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if hasattr(value, "get_secret_value"):
            yield value.get_secret_value()
    if settings.database_url:
        yield settings.database_url
        if password := httpx.URL(settings.database_url).password:
            yield password
    named = (settings.key_pepper_file, settings.audit_key_file, settings.voice_key_file)
    for path in (*(settings.state / name for name in _SECRET_FILES), *named):
        if path is not None and path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def _versions() -> dict[str, Any]:
    packages: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = None
    return {"python": platform.python_version(), "system": platform.platform(), "packages": packages}


def _fetched(redactor: Redactor, name: str, about: str, address: str, key: str | None) -> Entry:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(address, headers=headers, timeout=_TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        return Entry(name, f"{about}: it does not answer", type(error).__name__)
    return Entry(name, f"{about}, status {answer.status_code}", redactor.text(answer.text))


def _settings(redactor: Redactor, settings: Settings, running: Running | None) -> Entry:
    """Return the settings of the service; where it says none, those of this command, named so."""
    if running is not None:
        values = running.settings
        ended = "" if running.is_alive else f", which has ended (process {running.pid})"
        name, about = "settings.json", f"the settings of the playground{ended}, without texts"
    else:
        values = {name: getattr(settings, name) for name in type(settings).model_fields}
        name = "settings_of_this_command.json"
        about = "no playground runs with this state: settings of this command alone, without texts"
    return Entry(name, about, _json(redactor.value(plain_settings(values, _PLAIN))))


def _ray_logs(folder: Path) -> Iterator[Path]:
    """Yield the logs of Ray's own processes, of the Ray whose folder it is."""
    for pattern in _RAY_LOGS:
        yield from sorted((folder / "r" / "session_latest" / "logs").glob(pattern))


def _pod_log(kubectl: Kubectl, redactor: Redactor, pod: str, namespace: str) -> Entry:
    options = (f"--namespace={namespace}", "--all-containers", f"--tail={_LINES}")
    try:
        text = kubectl.text("logs", pod, *options)
    except KubectlError as error:
        return Entry(f"logs/{pod}.txt", "a log that could not be read", redactor.text(str(error)))
    kept, left_out = redactor.our_lines(text.splitlines())
    return _log(f"logs/{pod}.jsonl", kept, left_out, "lines of the playground")


def _log(name: str, kept: list[str], left_out: int, what: str) -> Entry:
    return Entry(
        name, f"{len(kept)} {what}, {left_out} others left out", "".join(f"{line}\n" for line in kept)
    )


def _tail(path: Path) -> Iterable[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return deque(file, _LINES)


def _pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    status = pod.get("status", {})
    labels = pod["metadata"].get("labels", {})
    return {
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "service": labels.get(SERVICE_LABEL),
        "node_type": labels.get("ray.io/node-type"),
        "node": pod.get("spec", {}).get("nodeName"),
        "phase": status.get("phase"),
        "reason": status.get("reason"),
        "containers": [
            {
                "name": one["name"],
                "image": one.get("image"),
                "ready": one.get("ready"),
                "restarts": one.get("restartCount"),
                "state": _state(one.get("state", {})),
                "last_state": _state(one.get("lastState", {})),
            }
            for one in status.get("containerStatuses", ())
        ],
    }


def _state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container's state without messages, which may be the end of its log."""
    fields = ("reason", "exitCode", "startedAt", "finishedAt")
    return {kind: {name: found[name] for name in fields if name in found} for kind, found in state.items()}


def _asked(ask: Callable[[], Any]) -> Any:
    """Return what the cluster answers, or why it does not."""
    try:
        return ask()
    except KubectlError as error:
        return {"error": str(error)}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
