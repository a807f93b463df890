"""The playground on an embedded Ray: Serve, started, watched and stopped."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from tts_app.certificates import CertificateError, certificate_of
from tts_app.loopback import is_loopback
from tts_app.resources import TextModel, VoiceModel
from tts_app.resources.licensing import license_fault
from tts_app.serve_config import serve_config
from tts_app.serving import running
from tts_app.serving.embedded_ray import GRACE, EmbeddedRay, Progress, ServingError
from tts_app.settings import Settings

if TYPE_CHECKING:
    from ray.serve._private.client import ServeControllerClient

_START_TIMEOUT = 300.0
_POLL = 0.2


def serve(
    models: Sequence[VoiceModel | TextModel],
    settings: Settings,
    progress: Progress = lambda _step: None,
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve `models` at the address in `settings` until SIGINT or SIGTERM; leave no process.

    Call `progress` with each step, and `ready` with the address once every model answers. For the main
    thread.

    Raises:
        ServingError: the port is taken, a key is missing, the certificate is not right, or a model does not
            start.
    """
    stopping = threading.Event()
    with _stop_signals(stopping) as listen, Playground(settings, progress) as playground:
        if not playground.start(stopping):
            return
        listen()  # Ray has replaced our signal handlers
        playground.deploy(models)
        if playground.wait(stopping):
            ready(playground.url)
        stopping.wait()
        progress("stopping")


class Playground:
    """An embedded Ray with Serve. A context manager: leaving it stops every process."""

    def __init__(self, settings: Settings, progress: Progress = lambda _step: None) -> None:
        fault = settings.key_fault or settings.profile_fault()
        if fault:
            raise ServingError(fault)
        host = settings.host
        if not is_loopback(host) and not settings.asks_for_key:
            raise ServingError(
                f"{host} is reachable from other machines, so a key is needed: "
                "set TTSP_API_KEY, or TTSP_KEY_REQUIRED=true for keys of `ttsp keys`, or TTSP_OIDC_ISSUER "
                "for tokens of an identity provider, or listen on 127.0.0.1."
            )
        try:
            settings.all_quotas()
        except ValueError as error:
            raise ServingError(str(error)) from None
        try:
            certificate = certificate_of(settings)
        except CertificateError as error:
            raise ServingError(str(error)) from None
        self._scheme = "http" if certificate is None else "https"
        self._host = host
        self._port = settings.port
        self._settings = settings
        self._progress = progress
        self._ray = EmbeddedRay(settings, progress)
        self._client: ServeControllerClient | None = None

    @property
    def url(self) -> str:
        """Address of the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self._host, self._host)  # noqa: S104
        return f"{self._scheme}://{host}:{self._port}"

    def start(self, stopping: threading.Event | None = None) -> bool:
        """Start Ray, its processes on loopback only. False: `stopping` was set meanwhile.

        Raises:
            ServingError: the port is taken, or Ray does not start.
        """
        _check_free(self._host, self._port)
        self._progress("starting Ray")
        if not self._ray.start(stopping):
            return False
        try:
            running.write(
                self._settings.state,
                running.running_of(self._settings, self.url, self._ray.metrics, self._ray.folder),
            )
        except OSError as error:
            raise ServingError(f"{self._settings.state} cannot be written: {error.strerror}.") from error
        return True

    def deploy(self, models: Sequence[VoiceModel | TextModel]) -> None:
        """Serve these models from now on; models that are served already and stay are not disturbed.

        Raises:
            ServingError: the licence of one forbids it.
        """
        for model in models:
            if fault := license_fault(model, commercial=self._settings.commercial):
                raise ServingError(fault)
        self._progress("starting Serve")
        from ray.serve import start  # noqa: PLC0415
        from ray.serve.context import _get_global_client  # noqa: PLC0415
        from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

        logging.getLogger("ray.serve").setLevel(logging.ERROR)  # its import sets another level
        config = serve_config(
            models, host=self._host, port=self._port, log_level=self._settings.log_level, direct=True
        )
        start(
            proxy_location=config["proxy_location"],
            http_options=config["http_options"],
            logging_config=config["logging_config"],  # of the controller
        )
        self._client = _get_global_client()
        if self._client is None:
            raise ServingError("Ray Serve has not started.")
        self._progress("loading " + ", ".join(model.name for model in models))
        self._client.deploy_apps(ServeDeploySchema.model_validate(config))

    def wait(self, stopping: threading.Event | None = None, timeout: float = _START_TIMEOUT) -> bool:
        """Wait until every application runs; report each that does. False: `stopping` was set meanwhile.

        Raises:
            ServingError: an application does not start; the message has Serve's reason.
        """
        from ray import serve as ray_serve  # noqa: PLC0415

        stopping = stopping or threading.Event()
        deadline = time.monotonic() + timeout
        reported: set[str] = set()
        while not stopping.is_set():
            applications = ray_serve.status().applications
            up = {name for name, app in applications.items() if app.status == "RUNNING"}
            for name in sorted(up - reported):
                self._progress(f"{name} is ready")
            reported |= up
            failed = {n: a for n, a in applications.items() if a.status in ("DEPLOY_FAILED", "UNHEALTHY")}
            if failed:
                reasons = "; ".join(f"{name}: {app.message}" for name, app in failed.items())
                raise ServingError(f"A model does not start. {reasons}")
            if applications and up == applications.keys():
                return True
            if time.monotonic() > deadline:
                waiting = ", ".join(sorted(applications.keys() - up))
                raise ServingError(f"Not started after {timeout:.0f} s: {waiting}")
            stopping.wait(_POLL)
        return False

    def stop(self) -> None:
        """Stop Serve and Ray. Idempotent."""
        client, self._client = self._client, None
        running.remove(self._settings.state)
        self._ray.stop((lambda: client.shutdown(timeout_s=GRACE)) if client is not None else None)

    def __enter__(self) -> "Playground":
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServingError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
            ) from None


@contextmanager
def _stop_signals(stopping: threading.Event) -> Iterator[Callable[[], None]]:
    """Set `stopping` on SIGINT and SIGTERM; a second signal changes nothing, so that no process is left.

    Yields a function that installs the handlers again after something else has replaced them.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def listen() -> None:
        for number in old:
            signal.signal(number, stop)

    old: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listen()
    try:
        yield listen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
