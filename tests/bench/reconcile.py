"""Measure our operator and KubeRay's on a real API server; write docs/benchmarks-operator.md; exit with 1 if
a target is missed.

Each layout has a control plane of its own: etcd, API server and, while it is measured, KubeRay. No pod runs,
and there is no controller manager: what KubeRay would say of clusters that serve is written in its name.
"""

import argparse
import asyncio
import os
import platform
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import paths
from conditions import cpu_name
from reconcile_cluster import (
    Cluster,
    KubeRay,
    Name,
    Object,
    Ours,
    Seen,
    Subject,
    cpu_seconds,
    for_each,
    has_cluster,
    is_ready,
    name_of,
    peak,
    process_of,
    server_writes,
    spoken_of,
)
from reconcile_findings import (
    CHANGE,
    CLUSTERS,
    COLD,
    CREATION,
    JOBS,
    MIB,
    OWN,
    READY,
    RESTART,
    RESYNC,
    SHARED,
    STEADY,
    WAITING,
    Findings,
    Phase,
    Spread,
    render,
    spread,
    targets,
)
from reconcile_load import POD_READY, Layout, changed, cluster_of, pods, ready_status
from scrape import Scrape

from cluster.binaries import KUBERAY as KUBERAY_MODULE
from cluster.binaries import KUBERNETES, VERSIONS
from cluster.control_plane import ControlPlane
from tts_operator.objects import GROUP, POD, RAY_SERVICE, VOICE_MODEL, Kind, differences

PAGE = paths.ROOT / "docs" / "benchmarks-operator.md"
TTS_JOB = Kind(f"{GROUP}/v1alpha1", "TTSJob", "ttsjobs")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
QUIET = 2.0
"""Seconds without a write after which none is expected."""


def main() -> int:
    """Measure, write the page, return the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    findings = Findings(_conditions())
    layouts = {
        SHARED: (Layout(SHARED, options.models, -(-options.models // options.services), 4), _shared),
        OWN: (Layout(OWN, options.own, 1, 4), _own),
    }
    for name in options.layouts:
        layout, measure = layouts[name]
        with ControlPlane(controller_manager=False) as plane:
            plane.stop_kuberay()
            crds = str(paths.ROOT / "crds")
            plane.kubectl("apply", "--server-side", "-f", crds)
            plane.await_established("-f", crds)
            asyncio.run(_measure(Run(plane, layout, findings, options), measure))
    _tell(f"wrote {options.output}")
    reached = targets(findings)
    for target in reached:
        word = {True: "reached", False: "MISSED", None: "not measured"}[target.met]
        print(f"{word}: {target.name}: {target.measured} (wanted: {target.wanted})")
    return 1 if any(target.met is False for target in reached) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=int, default=1000, help="VoiceModels that share services")
    parser.add_argument("--services", type=int, default=200, help="services that they share")
    parser.add_argument("--own", type=int, default=1000, help="VoiceModels with a service each")
    parser.add_argument("--jobs", type=int, default=2000, help="TTSJobs beside them")
    parser.add_argument("--changes", type=int, default=100, help="VoiceModels that are changed")
    parser.add_argument("--seconds", type=float, default=20, help="seconds that nothing happens")
    parser.add_argument("--resync", type=float, default=20, help="seconds between resyncs, where measured")
    parser.add_argument("--patience", type=float, default=240, help="seconds that a phase may take")
    parser.add_argument("--layouts", nargs="+", choices=(SHARED, OWN), default=[SHARED, OWN])
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    return parser.parse_args()


def _conditions() -> dict[str, str]:
    packages = ("lightkube", "pydantic")
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores for everything: API server, etcd, "
        "operators and this benchmark",
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
        "Software": ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in packages),
                f"Kubernetes {VERSIONS[KUBERNETES]}",
                f"KubeRay {VERSIONS[KUBERAY_MODULE]}",
            ]
        ),
        "What runs": "no nodes, no controller manager; KubeRay only while it is measured",
        "Ours": "with the chart's defaults but for what a phase says: a Lease is held, all namespaces are "
        "watched; an administrator's token",
        "TTSJobs": "suspended: a job that runs is a pod's work",
    }


@dataclass(frozen=True, slots=True)
class _Mark:
    """Counters at one moment."""

    at: float
    counted: Scrape
    server: Scrape
    cpu: float
    server_cpu: float


class Run:
    """One layout on a control plane of its own: its phases, one after the other."""

    def __init__(
        self, plane: ControlPlane, layout: Layout, findings: Findings, options: argparse.Namespace
    ) -> None:
        self.layout, self.findings, self.options = layout, findings, options
        self.jobs = options.jobs if layout.name == SHARED else 0
        self.kuberay = KubeRay(plane)
        self._plane = plane
        self._numbers = {layout.service(number): number for number in range(layout.services)}
        self._server = [process_of(plane, name) for name in ("kube-apiserver", "etcd")]
        self.cluster = Cluster(plane.kubeconfig)
        self.ours = self._operator()

    async def populate(self, models: int) -> None:
        """Make the namespaces, the TTSJobs and so many VoiceModels."""
        for name in self.layout.namespace_names():
            await self.cluster.create(NAMESPACE, {"metadata": {"name": name}})
        took = await for_each(range(self.jobs), self._make_job)
        made = await for_each(range(models), self._make_model)
        self.findings.layouts[f"Services: {self.layout.name}"] = (
            f"{self.layout.services:,} services of {self.layout.models_a_service} VoiceModels in "
            f"{self.layout.namespaces} namespaces; {self.jobs:,} TTSJobs"
        )
        _tell(f"{self.layout.name}: {self.jobs} TTSJobs made in {took:.1f} s")
        if models:
            _tell(f"{self.layout.name}: {models} VoiceModels made in {made:.1f} s")

    async def take_jobs(self) -> None:
        """Start the operator where all TTSJobs are there and nothing else."""
        async with Seen(self.cluster, TTS_JOB, spoken_of) as seen:
            since = await self._begin(None)
            await asyncio.to_thread(self.ours.start)
            await seen.wait(self.jobs, self.options.patience)
            await self._end(JOBS, self.ours, since, seen, resources=self.jobs)

    async def create(self) -> None:
        """Make the VoiceModels while the operator runs."""
        answered: dict[Name, float] = {}

        async def make(number: int) -> None:
            model = self.layout.model(number)
            answered[name_of(model)] = await self.cluster.create(VOICE_MODEL, model)

        async with Seen(self.cluster, VOICE_MODEL, spoken_of) as seen:
            since = await self._begin(self.ours)
            took = await for_each(range(self.layout.models), make)
            await seen.wait(self.layout.models, self.options.patience)
            await self._end(CREATION, self.ours, since, seen, noticed=_after(answered, seen))
        _tell(f"  the bench made {self.layout.models / took:.0f} VoiceModels a second")

    async def start_cold(self) -> None:
        """Start the operator where all VoiceModels are there and nothing else."""
        async with Seen(self.cluster, VOICE_MODEL, spoken_of) as seen:
            since = await self._begin(None)
            await asyncio.to_thread(self.ours.start)
            await seen.wait(self.layout.models, self.options.patience)
            await self._end(COLD, self.ours, since, seen)

    async def find_clusters(self) -> None:
        """Start the operator where KubeRay made clusters meanwhile."""

        def tells(model: Object) -> bool:
            return bool(model.get("status", {}).get("rayCluster"))

        self.ours = self._operator()
        async with Seen(self.cluster, VOICE_MODEL, tells) as seen:
            since = await self._begin(None)
            await asyncio.to_thread(self.ours.start)
            await seen.wait(self.layout.models, self.options.patience)
            await self._end(CLUSTERS, self.ours, since, seen)

    async def run_pods(self) -> None:
        """Have every pod that KubeRay makes, and say of all, as kubelets would, that they are ready."""
        there: dict[tuple[str, str], list[Object]] = {}
        for pod in await self.cluster.list(POD):
            cluster = pod["metadata"]["namespace"], pod["metadata"]["labels"]["ray.io/cluster"]
            there.setdefault(cluster, []).append(pod)

        async def run(service: Object) -> None:
            cluster = service["metadata"]["namespace"], cluster_of(service)
            made = there.get(cluster) if has_cluster(service) else None
            for pod in made or pods(service):
                if made is None:
                    await self.cluster.create(POD, pod)
                await self.cluster.patch(POD, name_of(pod), {"status": POD_READY}, status=True)

        took = await for_each(await self.cluster.list(RAY_SERVICE), run)
        _tell(f"{self.layout.name}: the pods run after {took:.1f} s")

    async def become_ready(self) -> None:
        """Say, as KubeRay would, that every application runs."""
        async with Seen(self.cluster, VOICE_MODEL, is_ready) as seen:
            since = await self._begin(self.ours)
            await self._say_running()
            await seen.wait(self.layout.models, self.options.patience)
            await self._end(READY, self.ours, since, seen)

    async def stay(self, name: str, subject: Subject) -> None:
        """Let nothing happen for a while."""
        since = await self._begin(subject)
        await asyncio.sleep(self.options.seconds)
        await self._end(name, subject, since)

    async def change(self) -> None:
        """Change a voice of some models, and say that it runs."""
        count = min(self.options.changes, self.layout.models)
        models = [self.layout.model(n * self.layout.models // count) for n in range(count)]
        chosen = {name_of(model) for model in models}
        answered: dict[Name, float] = {}

        async def patch(model: Object) -> None:
            answered[name_of(model)] = await self.cluster.patch(VOICE_MODEL, name_of(model), changed(model))

        def noticed(model: Object) -> bool:
            return name_of(model) in chosen and model["metadata"]["generation"] > 1 and spoken_of(model)

        since = await self._begin(self.ours)
        async with Seen(self.cluster, VOICE_MODEL, noticed) as seen:
            await for_each(models, patch)
            await seen.wait(count, self.options.patience)
        await self._say_running()
        async with Seen(self.cluster, VOICE_MODEL, is_ready) as ready:
            await ready.wait(self.layout.models, self.options.patience)
        await self._end(CHANGE, self.ours, since, resources=count, noticed=_after(answered, seen))

    async def restart(self, **settings: str) -> None:
        """Start the operator again where nothing is to do."""
        self.stop_ours()
        self.ours = self._operator(**settings)
        since = await self._begin(None)
        await asyncio.to_thread(self.ours.start)
        await self._reconciled(self.ours, self.layout.services + self.jobs)
        await self._end(RESTART, self.ours, since)

    async def resync(self) -> None:
        """Wait until the operator has looked at every service once more, by itself."""
        since = await self._begin(self.ours)
        await self._reconciled(self.ours, self.ours.reconciles(since.counted) + self.layout.services)
        await self._end(RESYNC, self.ours, since)

    async def start_kuberay(self) -> None:
        """Start KubeRay where all RayServices are there and nothing else."""
        async with Seen(self.cluster, RAY_SERVICE, has_cluster) as seen:
            since = await self._begin(None)
            await asyncio.to_thread(self.kuberay.start)
            await seen.wait(self.layout.services, self.options.patience)
            await self._end(COLD, self.kuberay, since, seen)

    async def restart_kuberay(self) -> None:
        """Start KubeRay again where nothing is to do."""
        self.kuberay.stop()
        since = await self._begin(None)
        await asyncio.to_thread(self.kuberay.start)
        await self._reconciled(self.kuberay, self.layout.services)
        await self._end(RESTART, self.kuberay, since)

    async def _settle(self, subject: Subject) -> None:
        """Wait until nothing is written any more."""
        last, since = -1.0, time.monotonic()
        deadline = since + self.options.patience
        while time.monotonic() - since < QUIET and time.monotonic() < deadline:
            await asyncio.sleep(0.25)
            written = sum(subject.requests(await subject.scrape())[1].values())
            if written != last:
                last, since = written, time.monotonic()

    def stop_ours(self) -> None:
        """End our operator, as Kubernetes does, and keep count of its errors."""
        if self.ours.runs:
            self.findings.errors += self.ours.errors
            self.ours.stop()
            if self.findings.phases:
                self._write()

    def _operator(self, **settings: str) -> Ours:
        return Ours(self._plane.kubeconfig, self._plane.folder / "operator.log", **settings)

    async def _make_job(self, number: int) -> None:
        await self.cluster.create(TTS_JOB, self.layout.job(number))

    async def _make_model(self, number: int) -> None:
        await self.cluster.create(VOICE_MODEL, self.layout.model(number))

    async def _say_running(self) -> None:
        """Say of every RayService, unless that is said already, that its applications run."""

        async def say(service: Object) -> None:
            status = ready_status(service, self.layout.applications(self._numbers[name_of(service)]))
            if differences(status, service.get("status")):
                await self.cluster.patch(RAY_SERVICE, name_of(service), {"status": status}, status=True)

        await for_each(await self.cluster.list(RAY_SERVICE), say)

    async def _reconciled(self, subject: Subject, count: float) -> None:
        deadline = time.monotonic() + self.options.patience
        while subject.reconciles(await subject.scrape()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{subject.name} has not reconciled {count:.0f} times in time")
            await asyncio.sleep(0.1)

    async def _begin(self, subject: Subject | None) -> _Mark:
        """Return the counters before a phase; those of an operator that does not run yet are none."""
        server = await self.cluster.scrape()
        counted = Scrape({}) if subject is None else await subject.scrape()
        cpu = 0.0 if subject is None else cpu_seconds(subject.process)
        return _Mark(time.monotonic(), counted, server, cpu, cpu_seconds(*self._server))

    async def _end(
        self,
        name: str,
        subject: Subject,
        since: _Mark,
        seen: Seen | None = None,
        resources: int | None = None,
        noticed: Spread | None = None,
    ) -> None:
        """Add a phase that is over now; what is written in the moments that follow is its doing too.

        `seen` are the resources that came to where the phase was to bring them: all when it is left out.
        """
        now, cpu, server_cpu = time.monotonic(), cpu_seconds(subject.process), cpu_seconds(*self._server)
        counted = await subject.scrape() - since.counted
        if resources is None:
            resources = self.layout.models if isinstance(subject, Ours) else self.layout.services
        reached = resources if seen is None else len(seen.times)
        if seen is not None and reached == resources:
            now = max(seen.times.values())
        if name not in (STEADY, WAITING, RESYNC):
            await self._settle(subject)
        reconcile, queued = subject.spreads(counted)
        phase = Phase(
            layout=self.layout.name,
            operator=subject.name,
            name=name,
            resources=resources,
            reached=reached,
            seconds=now - since.at,
            reconciles=subject.reconciles(counted),
            reads=subject.requests(counted)[0],
            writes=subject.requests(await subject.scrape() - since.counted)[1],
            cpu=cpu - since.cpu,
            server_cpu=server_cpu - since.server_cpu,
            memory=peak(subject.process),
            reconcile=reconcile,
            queued=queued,
            noticed=noticed,
            server_writes=server_writes(await self.cluster.scrape() - since.server),
        )
        self.findings.phases.append(phase)
        self._write()
        _tell(
            f"{phase.layout}: {phase.operator}, {name}: {reached} of {resources} in {phase.seconds:.1f} s, "
            f"{phase.reconciles:.0f} reconciles, {phase.read:.0f} reads, {phase.written:.0f} writes, "
            f"CPU {phase.cpu:.1f} s and {phase.server_cpu:.1f} s, {phase.memory / MIB:.0f} MiB"
        )

    def _write(self) -> None:
        """Write what was measured so far: a run that is stopped leaves what it has."""
        self.options.output.parent.mkdir(parents=True, exist_ok=True)
        self.options.output.write_text(render(self.findings), encoding="utf-8")


def _after(answered: dict[Name, float], seen: Seen) -> Spread | None:
    """Return how long after the API's answers the resources were seen."""
    return spread([at - answered[name] for name, at in seen.times.items()])


async def _measure(run: Run, phases: Callable[[Run], Awaitable[None]]) -> None:
    async with run.cluster:
        try:
            await phases(run)
        finally:
            run.stop_ours()


async def _shared(run: Run) -> None:
    await run.populate(models=0)
    await run.take_jobs()
    await run.create()
    await run.stay(WAITING, run.ours)
    await run.run_pods()
    await run.become_ready()
    await run.stay(STEADY, run.ours)
    await run.change()
    await run.restart(resync_seconds=str(run.options.resync))
    await run.resync()


async def _own(run: Run) -> None:
    await run.populate(models=run.layout.models)
    await run.start_cold()
    await run.stay(WAITING, run.ours)
    run.stop_ours()
    await run.start_kuberay()
    await run.stay(WAITING, run.kuberay)
    await run.restart_kuberay()
    run.kuberay.stop()
    await run.find_clusters()
    await run.restart()


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
