"""A cluster as the user's own kubectl reaches it: with its contexts, its log-ins and the user's rights."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

_TIMEOUT = 60.0
"""Seconds that a call may take."""
SERVICE_LABEL = "ttsplayground.dev/service"
"""The operator's label of what belongs to a service."""
KINDS = ("playgrounds", "voicemodels", "textmodels", "ttsjobs")
_GROUP = "ttsplayground.dev"


class KubectlError(Exception):
    """kubectl is missing, or failed; the message is its own."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Calls kubectl. Empty fields are what kubectl takes by itself."""

    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""
    all_namespaces: bool = False

    def text(self, *arguments: str, given: str | None = None, timeout: float = _TIMEOUT) -> str:
        """Return what kubectl prints; `given` is its standard input.

        Raises:
            KubectlError: it is missing, or failed.
        """
        try:
            done = subprocess.run(
                self._command(arguments),
                input=given,
                check=False,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {arguments[0]} got no answer within {timeout:.0f} s.") from None
        if done.returncode:
            raise KubectlError(done.stderr.strip() or f"kubectl {arguments[0]} ended with {done.returncode}.")
        return done.stdout

    def lines(self, verb: str, *arguments: str) -> Iterator[str]:
        """Yield the lines that kubectl prints about the namespace, as they come.

        Raises:
            KubectlError: it is missing, or failed; lines may have come before.
        """
        with tempfile.TemporaryFile("w+") as errors, ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(
                    self._command((verb, *self._where(), *arguments)),
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    errors="replace",
                )
            )
            stack.callback(process.kill)  # where the reader leaves first
            assert process.stdout is not None  # noqa: S101 - as it was asked for
            yield from (line.rstrip("\n") for line in process.stdout)
            if process.wait():
                errors.seek(0)
                raise KubectlError(
                    errors.read().strip() or f"kubectl {verb} ended with {process.returncode}."
                )

    def resources(self, kinds: Sequence[str] = KINDS) -> list[dict[str, Any]]:
        """Return the playground's resources in the namespace. Raises KubectlError."""
        return self._listed(",".join(f"{kind}.{_GROUP}" for kind in kinds))

    def pods(self, service: str = "") -> list[dict[str, Any]]:
        """Return the pods of a service, or of all. Raises KubectlError."""
        return self._listed("pods", f"--selector={SERVICE_LABEL}{f'={service}' if service else ''}")

    def named_pods(self, selector: str, namespace: str) -> list[dict[str, Any]]:
        """Return the pods of a namespace that have these labels. Raises KubectlError."""
        where = (f"--namespace={namespace}", f"--selector={selector}")
        return _items(self.text("get", "pods", *where, "--output=json"))

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """Return a resource. Raises KubectlError."""
        found = self.text("get", f"{kind}.{_GROUP}", name, f"--namespace={namespace}", "--output=json")
        return dict(json.loads(found))

    def apply(self, files: Sequence[str]) -> list[dict[str, Any]]:
        """Apply files, and return what the API server has then. Raises KubectlError."""
        options = [f"--filename={file}" for file in files]
        return _items(self.text("apply", *self._where(), *options, "--output=json"))

    def raw(self, path: str) -> str:
        """Return what a path of the API server answers. Raises KubectlError."""
        return self.text("get", f"--raw={path}")

    def _command(self, arguments: Sequence[str]) -> list[str]:
        program = shutil.which("kubectl")
        if program is None:
            raise KubectlError("kubectl is not on the PATH: install it, or add its folder to PATH.")
        flags = {"--context": self.context, "--kubeconfig": self.kubeconfig}
        return [program, *(f"{name}={value}" for name, value in flags.items() if value), *arguments]

    def _listed(self, *what: str) -> list[dict[str, Any]]:
        return _items(self.text("get", *what, *self._where(), "--output=json"))

    def _where(self) -> list[str]:
        if self.all_namespaces:
            return ["--all-namespaces"]
        return [f"--namespace={self.namespace}"] if self.namespace else []


def _items(answer: str) -> list[dict[str, Any]]:
    found: Mapping[str, Any] = json.loads(answer)
    return [dict(item) for item in found["items"]] if found["kind"] == "List" else [dict(found)]
