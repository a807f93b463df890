"""`kubectl ttsp`, and the same as `ttsp cluster`: status, figures and jobs, by the user's kubectl."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts_app.cli.console import FAILED, INTERRUPTED, WRONG_USAGE, err, fail
from tts_app.cli.support_bundle import Output, pack
from tts_app.cli.top import AsJson, Interval, Once, Prometheus, Selector, show

if TYPE_CHECKING:
    from tts_app.desk.conditions import ResourceRow
    from tts_app.desk.kubectl import Kubectl

cluster_app = typer.Typer(
    help="Look at the playground's services on a Kubernetes cluster, and render there.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Default: that of kubectl's context.")]
Context = Annotated[
    str, typer.Option("--context", help="Context of the kubeconfig. Default: the current one.")
]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Default: kubectl's own.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Service = Annotated[str, typer.Option(help="Name of the service. Default: all of the namespace.")]
_POLL = 2.0
"""Seconds between two looks at a job."""
_LOST = 30
"""Looks in a row that may fail before following a job is given up: API servers restart."""


@cluster_app.command()
def status(
    namespace: Namespace = "",
    all_namespaces: Everywhere = False,
    as_json: AsJson = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show Playgrounds, VoiceModels, TextModels and TTSJobs: their state, its cause, their addresses."""
    from tts_app.desk.conditions import rows_of
    from tts_app.desk.kubectl import Kubectl, KubectlError

    try:
        found = Kubectl(context, kubeconfig, namespace, all_namespaces).resources()
    except KubectlError as error:
        fail(str(error), FAILED)
    rows = rows_of(found)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    if not rows:
        err.print("There is no Playground, model or TTSJob here (-A looks in all namespaces).")
    for row in rows:
        _print_row(row, with_namespace=all_namespaces)


@cluster_app.command("top")
def cluster_top(
    service: Service = "",
    namespace: Namespace = "",
    prometheus: Prometheus = "",
    selector: Selector = "",
    interval: Interval = 10,
    once: Once = False,
    as_json: AsJson = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show models, queues, batches and utilisation, read from the pods by the API server's proxy."""
    from tts_app.desk.kubectl import Kubectl
    from tts_app.desk.sources import ClusterSource, PrometheusSource

    kubectl = Kubectl(context, kubeconfig, namespace)
    source = (
        PrometheusSource(prometheus, selector, kubectl, service)
        if prometheus
        else ClusterSource(kubectl, service)
    )
    show(source, interval, once=once, as_json=as_json)


@cluster_app.command()
def render(
    file: Annotated[
        list[Path],
        typer.Option("--file", "-f", help="YAML with a TTSJob, and what it needs; repeatable."),
    ],
    namespace: Namespace = "",
    follow: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Apply a TTSJob and follow it. Exit code 0: all files are there; 1: some or all failed.

    Ctrl-C ends the following, not the job.
    """
    from tts_app.desk.kubectl import Kubectl, KubectlError

    _check(file)
    kubectl = Kubectl(context, kubeconfig, namespace)
    try:
        applied = kubectl.apply([str(path) for path in file])
    except KubectlError as error:
        fail(str(error), FAILED)
    for one in applied:
        err.print(f"{one['kind']} {one['metadata']['name']} applied", markup=False)
    if not follow:
        return
    jobs = [one for one in applied if one["kind"] == "TTSJob"]
    try:
        failed = [job for job in jobs if not _follow(kubectl, job)]
    except KeyboardInterrupt:
        err.print("The job goes on; the same command follows it again.")
        raise typer.Exit(INTERRUPTED) from None
    if failed:
        raise typer.Exit(FAILED)


@cluster_app.command("support-bundle")
def cluster_bundle(
    output: Output = None,
    service: Service = "",
    namespace: Namespace = "",
    operator_namespace: Annotated[str, typer.Option(help="Namespace of the operator.")] = "tts-system",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Pack versions, conditions, pods, metrics and logs for somebody who helps: without texts and secrets."""
    from tts_app.desk.collect import of_cluster
    from tts_app.desk.kubectl import Kubectl

    pack(output, of_cluster(Kubectl(context, kubeconfig, namespace), service, operator_namespace))


def _check(files: Sequence[Path]) -> None:
    """Refuse files without a TTSJob, before anything is applied."""
    from tts_app.manifests import ManifestError, listed_documents, yaml_files

    try:
        documents = [one for path in yaml_files(files) for _, one in listed_documents(path)]
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)
    kinds = {str(one.get("kind")) for one in documents if isinstance(one, dict)}
    if "TTSJob" not in kinds:
        fail(f"There is no TTSJob in it, only: {', '.join(sorted(kinds)) or 'nothing'}.", WRONG_USAGE)


def _follow(kubectl: "Kubectl", job: dict[str, Any]) -> bool:
    """Print a line when a job has come further, until it has ended; return whether all of it succeeded."""
    from tts_app.desk.conditions import FINAL, row_of
    from tts_app.desk.kubectl import KubectlError

    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    said, lost = "", 0
    while True:
        try:
            found = kubectl.get("ttsjobs", name, namespace)
        except KubectlError as error:
            lost += 1
            if lost > _LOST or "NotFound" in str(error):
                fail(f"The job cannot be followed any more: {error}", FAILED)
            time.sleep(_POLL)
            continue
        lost, row = 0, row_of(found)
        line = f"{name}: {row.state} {row.detail}".rstrip()
        if row.state != "Running":
            line += f" ({row.cause})"
        if line != said:
            typer.echo(line)
            sys.stdout.flush()
            said = line
        if row.state in FINAL:
            for failure in found["status"].get("failures", ()):
                place = f"post {failure['post']}, {failure['avatar']}"
                err.print(f"{place}: {failure['reason']}: {failure['message']}", markup=False)
            return row.state == "Succeeded"
        time.sleep(_POLL)


def _print_row(row: "ResourceRow", *, with_namespace: bool) -> None:
    where = f"{row.namespace}/" if with_namespace else ""
    typer.echo(f"{row.kind} {where}{row.name}  {row.state}" + (f"  {row.detail}" if row.detail else ""))
    if row.state not in ("Ready", "Succeeded"):
        typer.echo(f"    {row.cause}")
    for alarm in row.alarms:
        typer.echo(f"    {alarm.type}={alarm.status} {alarm.reason}: {alarm.message}")
    for what, address in row.links.items():
        typer.echo(f"    {what}: {address}")


def main() -> None:
    """Run `kubectl-ttsp`, which kubectl runs as `kubectl ttsp`."""
    try:
        cluster_app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
