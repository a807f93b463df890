"""A Kubernetes without nodes: etcd, API server, controller manager and the KubeRay operator, on loopback.

Pods stay Pending: nothing schedules them. All its data is deleted at the end.
"""

import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from cluster import build
from cluster.binaries import CONTROL_PLANE
from cluster.process import Process, answers, free_port, listens

LOOPBACK = "127.0.0.1"
SERVICES = "10.96.0.0/16"
NODE_NAME = "playground"
ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
PROXY = "system:kube-proxy"
KUBELET = f"system:node:{NODE_NAME}"
GROUPS = {ADMIN: "system:masters", CONTROLLER_MANAGER: "", SCHEDULER: "", PROXY: "", KUBELET: "system:nodes"}
"""The users that the API server knows, each with a token, and their group."""

_START = 180.0
_COMMAND = 660.0
"""Seconds; longer than any `--timeout` of kubectl or helm, ten minutes in tests/e2e: after their own timeout
they report what they waited for."""
_NOT_YET_KNOWN = ("conditions accessor error",)
"""kubectl's error for a definition whose status is not written yet."""
_NOT_YET_SERVED = (
    "could not find the requested resource",
    "doesn't have a resource type",
    "storage is (re)initializing",
)
"""Its error for a kind that the API server does not serve yet, although its definition is established."""


class CommandError(Exception):
    """kubectl or helm failed."""

    def __init__(self, command: str, status: int, output: str, error: str) -> None:
        super().__init__(f"`{command}` exited with {status}: {error.strip() or output.strip()}")
        self.status = status
        self.output = output
        self.error = error


class ControlPlane:
    """Runs while its `with` block does, or from `start` to `stop`."""

    def __init__(
        self,
        *,
        controller_manager: bool = True,
        kuberay: bool = True,
        address: str = LOOPBACK,
        folder: Path | None = None,
        api_arguments: Sequence[str] = (),
        controller_manager_arguments: Sequence[str] = (),
    ) -> None:
        self.address = address
        self._with_controller_manager = controller_manager
        self._with_kuberay = kuberay
        self._wanted_folder = folder
        self._api_arguments = api_arguments
        self._controller_manager_arguments = controller_manager_arguments
        self.on_step: Callable[[str], None] = lambda step: None
        """Called with each step of the start before the step; an exception from it ends the start."""
        self._processes: list[Process] = []
        self._tokens = {user: secrets.token_hex(16) for user in GROUPS}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubeconfig_of(ADMIN)

    @property
    def url(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self._port}"

    @property
    def certificate(self) -> Path:
        """File with which the API server's certificate is verified."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def pids(self) -> list[int]:
        """Ids of the running processes."""
        return [process.pid for process in self._processes if process.pid is not None]

    def start(self) -> None:
        """Start everything and return when it is ready.

        Raises:
            PrerequisiteError: programs are not built, or this machine lacks something.
            StartError: a part did not start; nothing of it is left.
        """
        self._prepare()
        self.folder = self._wanted_folder or Path(tempfile.mkdtemp(prefix="ttsp-cluster-"))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process and remove the folder."""
        while self._processes:
            self._processes.pop().stop()
        self._remove()

    def _prepare(self) -> None:
        build.check(CONTROL_PLANE)
        build.require("openssl", "keys that sign the tokens of ServiceAccounts")

    def _remove(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _start(self) -> None:
        self._port = free_port(self.address)
        self.on_step("starting etcd")
        self._start_etcd()
        self.on_step("starting the API server")
        self._api = self._api_server()
        self.start_api()
        for user in GROUPS:
            self._write_kubeconfig(self.kubeconfig_of(user), user, self._tokens[user])
        if self._with_controller_manager:
            self.on_step("starting the controller manager")
            self._start_controller_manager()
        if self._with_kuberay:
            self.on_step("installing KubeRay")
            self._install_kuberay()

    def _install_kuberay(self) -> None:
        crds = str(build.files_of("kuberay"))
        self.kubectl("apply", "--server-side", "-f", crds)
        self.await_established("-f", crds)
        self._kuberay, self._kuberay_probe = self._kuberay_operator()
        self.start_kuberay()

    def start_api(self) -> None:
        """Start the API server, on the port that it had before."""
        self._api.start()
        # The first start makes the certificate, before it listens.
        self._api.wait_ready(lambda: listens(self.address, self._port), _START)
        context = ssl.create_default_context(cafile=str(self.certificate))
        self._api.wait_ready(lambda: answers(self.address, self._port, "/readyz", context), _START)

    def stop_api(self) -> None:
        """Stop the API server, like a crash; no stored data is lost."""
        self._api.stop()

    def start_kuberay(self) -> None:
        """Start KubeRay's operator."""
        self._kuberay.start()
        self._kuberay.wait_ready(lambda: answers(LOOPBACK, self._kuberay_probe, "/readyz"), _START)

    def stop_kuberay(self) -> None:
        """Stop KubeRay's operator."""
        self._kuberay.stop()

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - as subprocess calls it
        """Run kubectl as the administrator and return its output."""
        return self.run("kubectl", *arguments, input=input)

    def await_established(self, *what: str) -> None:
        """Wait until the API server serves the kinds of definitions: `what` is as for `kubectl get`."""
        wait = ("wait", "--for=condition=Established", f"--timeout={_START:.0f}s")
        self._try(_NOT_YET_KNOWN, *wait, *what)
        # The API server may report a definition as established before its own handler has seen that.
        found = self.kubectl("get", "--output=name", *what).split()
        kinds = ",".join(name.partition("/")[2] for name in found)
        self._try(_NOT_YET_SERVED, "get", kinds, "--all-namespaces", "--output=name")

    def _try(self, passing: Sequence[str], *arguments: str) -> None:
        """Run kubectl until it no longer fails with one of the `passing` errors, which are temporary."""
        deadline = time.monotonic() + _START
        while True:
            try:
                self.kubectl(*arguments)
            except CommandError as error:
                if time.monotonic() > deadline or not any(text in error.error for text in passing):
                    raise
                time.sleep(0.2)
            else:
                return

    def helm(self, *arguments: str) -> str:
        """Run Helm as the administrator and return its output."""
        return self.run("helm", *arguments)

    def run(
        self,
        program: str,
        *arguments: str,
        input: str | None = None,  # noqa: A002
        kubeconfig: Path | None = None,
    ) -> str:
        """Run one of the cluster's client programs, by default as the administrator."""
        home = self.folder / "home"
        names = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        done = subprocess.run(
            [str(build.path_of(program)), *arguments],
            input=input,
            env=os.environ
            | dict.fromkeys(names, str(home))
            | {"KUBECONFIG": str(kubeconfig or self.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND,
        )
        if done.returncode:
            raise CommandError(f"{program} {' '.join(arguments)}", done.returncode, done.stdout, done.stderr)
        return done.stdout

    def kubeconfig_of(self, user: str) -> Path:
        """Return the kubeconfig of one of the users that the API server knows by token."""
        return self.folder / f"{user.replace(':', '-')}.kubeconfig"

    def kubeconfig_for(self, service_account: str, namespace: str) -> Path:
        """Return a kubeconfig with a token of a ServiceAccount that is valid for a day."""
        token = self.kubectl("create", "token", service_account, "-n", namespace, "--duration=24h").strip()
        path = self.folder / f"{namespace}-{service_account}.kubeconfig"
        self._write_kubeconfig(path, service_account, token, namespace)
        return path

    def process(self, name: str, command: Sequence[str | Path]) -> Process:
        """Return a process that ends with the cluster."""
        process = Process(name, [str(word) for word in command], self.folder / f"{name}.log")
        self._processes.append(process)
        return process

    def _start_etcd(self) -> None:
        port = free_port(LOOPBACK)
        self._etcd_url = f"http://{LOOPBACK}:{port}"
        peer_url = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"
        etcd = self.process(
            "etcd",
            [
                build.path_of("etcd"),
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={self._etcd_url}",
                f"--advertise-client-urls={self._etcd_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=default={peer_url}",
                "--unsafe-no-fsync",
            ],
        )
        etcd.start()
        etcd.wait_ready(lambda: answers(LOOPBACK, port, "/health"), _START)

    def _api_server(self) -> Process:
        self._key = self.folder / "service-accounts.key"
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self._key), "2048"], check=True, capture_output=True, text=True
        )
        tokens = self.folder / "tokens.csv"
        lines = [f'{token},{user},{user},"{GROUPS[user]}"\n' for user, token in self._tokens.items()]
        _write_secret(tokens, "".join(lines))
        return self.process(
            "kube-apiserver",
            [
                build.path_of("kube-apiserver"),
                f"--etcd-servers={self._etcd_url}",
                f"--bind-address={self.address}",
                f"--advertise-address={self.address}",
                f"--secure-port={self._port}",
                f"--cert-dir={self.certificate.parent}",
                f"--token-auth-file={tokens}",
                f"--service-account-key-file={self._key}",
                f"--service-account-signing-key-file={self._key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-cluster-ip-range={SERVICES}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                # A loopback address cannot be an endpoint; without pods nothing needs one.
                *(["--endpoint-reconciler-type=none"] if self.address == LOOPBACK else []),
                *self._api_arguments,
            ],
        )

    def _start_controller_manager(self) -> None:
        manager = self.process(
            "kube-controller-manager",
            [
                build.path_of("kube-controller-manager"),
                f"--kubeconfig={self.kubeconfig_of(CONTROLLER_MANAGER)}",
                f"--service-account-private-key-file={self._key}",
                f"--root-ca-file={self.certificate}",
                "--use-service-account-credentials=true",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                *self._controller_manager_arguments,
            ],
        )
        manager.start()
        manager.wait_ready(self._has_default_service_account, _START)

    def _has_default_service_account(self) -> bool:
        names = self.kubectl("get", "serviceaccounts", "-n", "default", "-o", "name")
        return "serviceaccount/default" in names.split()

    def _kuberay_operator(self) -> tuple[Process, int]:
        probe = free_port(LOOPBACK)
        self.kuberay_metrics = f"{LOOPBACK}:{free_port(LOOPBACK)}"
        process = self.process(
            "kuberay",
            [
                build.path_of("kuberay"),
                f"-kubeconfig={self.kubeconfig}",
                "-enable-leader-election=false",
                "-use-kubernetes-proxy",  # reach Ray's head pods through the API server
                "-enable-metrics",
                f"-metrics-addr={self.kuberay_metrics}",
                f"-health-probe-bind-address={LOOPBACK}:{probe}",
            ],
        )
        return process, probe

    def _write_kubeconfig(self, path: Path, user: str, token: str, namespace: str = "default") -> None:
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "playground",
            "clusters": [
                {
                    "name": "playground",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": b64encode(self.certificate.read_bytes()).decode(),
                    },
                }
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {
                    "name": "playground",
                    "context": {"cluster": "playground", "user": user, "namespace": namespace},
                }
            ],
        }
        _write_secret(path, yaml.safe_dump(config, sort_keys=False))


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
