"""From measurements of the operators to docs/benchmarks-operator.md: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from findings import MIB, Target
from tables import figure, section

OURS, KUBERAY = "ours", "KubeRay"
SHARED, OWN = "shared", "own"
CREATION, COLD, WAITING, CLUSTERS = "creation", "cold start", "waiting", "clusters appeared"
JOBS = "jobs"
READY, STEADY, CHANGE, RESTART, RESYNC = "became ready", "steady state", "change", "restart", "resync"

RATE_LEAST = 20.0
WRITES_MOST = 3.0
MEMORY_MOST = 250 * MIB


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took: the median and the slow end, in seconds."""

    p50: float
    p99: float


def spread(times: Sequence[float]) -> Spread | None:
    """Return the spread of times; None where there are too few to speak of one."""
    if len(times) < 2:
        return None
    cuts = quantiles(times, n=100, method="inclusive")
    return Spread(cuts[49], cuts[98])


@dataclass(frozen=True, slots=True)
class Phase:
    """What an operator did in one phase, and what that took."""

    layout: str
    operator: str
    name: str
    resources: int
    """How many the phase is about: VoiceModels, or RayServices of KubeRay's."""
    reached: int
    """How many of them came in time to where the phase was to bring them."""
    seconds: float
    reconciles: float
    reads: Mapping[str, float]
    """Requests by verb and kind, as the operator counts them; watches are not among them."""
    writes: Mapping[str, float]
    """The same, but for renewals of the Lease."""
    cpu: float
    """Seconds of the operator's."""
    server_cpu: float
    """Seconds of etcd's and the API server's."""
    memory: int
    """Most bytes that the operator's process ever held."""
    reconcile: Spread | None = None
    queued: Spread | None = None
    """From an event to the start of the reconcile."""
    noticed: Spread | None = None
    """From the API's answer to the resource's creation or change until its status speaks of it."""
    server_writes: float | None = None
    """Requests that write the operator's kinds, as the API server counts them, whoever made them."""

    @property
    def rate(self) -> float:
        """Resources a second."""
        return self.reached / self.seconds

    @property
    def written(self) -> float:
        """How many requests wrote."""
        return sum(self.writes.values())

    @property
    def read(self) -> float:
        """How many requests read."""
        return sum(self.reads.values())


@dataclass(slots=True)
class Findings:
    """Everything that was measured."""

    conditions: dict[str, str]
    layouts: dict[str, str] = field(default_factory=dict)
    """What each layout is, in words."""
    phases: list[Phase] = field(default_factory=list)
    errors: int = 0
    """Errors that our operator logged."""

    def find(self, layout: str, name: str, operator: str = OURS) -> Phase | None:
        """Return a phase; None where it was not measured."""
        wanted = (layout, operator, name)
        return next((p for p in self.phases if (p.layout, p.operator, p.name) == wanted), None)


def targets(findings: Findings) -> list[Target]:
    """Return what was to be reached, and whether it was."""
    ours = [phase for phase in findings.phases if phase.operator == OURS]
    made = {name: findings.find(name, CREATION) or findings.find(name, COLD) for name in (SHARED, OWN)}
    peak = max((phase.memory for phase in ours), default=None)
    return [
        _no_reads([phase for phase in ours if phase.name in (WAITING, STEADY, RESYNC)]),
        _silence(ours, (STEADY,), "Writes in the steady state, every VoiceModel Ready"),
        _silence(ours, (WAITING,), "Writes while no VoiceModel is Ready and nothing happens"),
        _silence(ours, (RESTART, RESYNC), "Writes after a restart and at a resync that have nothing to do"),
        _writes(
            made[SHARED], "a VoiceModel on creation, five to a service, its children and Events included"
        ),
        _writes(findings.find(SHARED, JOBS), "a TTSJob that is suspended, its Event included"),
        _rate(made[SHARED], "five to a service"),
        _rate(made[OWN], "each with a service of its own"),
        _rate(findings.find(SHARED, JOBS), "all there when the operator starts", "TTSJobs"),
        Target(
            "Most memory of the operator's process",
            f"less than {MEMORY_MOST // MIB} MiB",
            "" if peak is None else f"{peak / MIB:.0f} MiB",
            None if peak is None else peak < MEMORY_MOST,
        ),
    ]


def _no_reads(phases: Sequence[Phase]) -> Target:
    title = "Reads while nothing happens, resyncs included; watches are none"
    if not phases:
        return Target(title, "0", "", None)
    read, reconciles = (sum(part) for part in zip(*((p.read, p.reconciles) for p in phases), strict=True))
    return Target(title, "0", f"{read:,.0f}; {reconciles:,.0f} reconciles", read == 0)


def _silence(ours: Iterable[Phase], names: tuple[str, ...], title: str) -> Target:
    phases = [phase for phase in ours if phase.name in names]
    if not phases:
        return Target(title, "0", "", None)
    counted = sum(phase.written for phase in phases)
    seen = sum(phase.server_writes or 0 for phase in phases)
    reconciles = sum(phase.reconciles for phase in phases)
    return Target(
        title,
        "0",
        f"{counted:.0f} by its own count, {seen:.0f} by the API server's; {reconciles:,.0f} reconciles",
        counted == 0 and seen == 0,
    )


def _writes(phase: Phase | None, of: str) -> Target:
    each = phase.written / phase.resources if phase else None
    return Target(
        f"Writes {of}",
        f"at most {WRITES_MOST:.0f}",
        figure(each),
        None if each is None else each <= WRITES_MOST,
    )


def _rate(phase: Phase | None, how: str, what: str = "VoiceModels") -> Target:
    met = None if phase is None else phase.reached == phase.resources and phase.rate >= RATE_LEAST
    measured = ""
    if phase:
        measured = f"{phase.rate:.1f} ({phase.reached:,} of {phase.resources:,} in {phase.seconds:.1f} s)"
    return Target(f"{what} reconciled a second, {how}", f"at least {RATE_LEAST:.0f}", measured, met)


def render(findings: Findings) -> str:
    """Return docs/benchmarks-operator.md."""
    words = {True: "reached", False: "**missed**", None: "not measured"}
    rows = [[t.name, t.wanted, t.measured, words[t.met]] for t in targets(findings)]
    reported = findings.conditions | findings.layouts | {"Errors that ours logged": str(findings.errors)}
    parts = [
        "# Benchmarks of the operator\n\n`make bench-operator` writes this page: the operator on a real API "
        "server, and KubeRay's own operator beside it on the same RayServices, in one run on one machine.",
        section("Targets", [["Target", "Wanted", "Measured", "Result"], *rows]),
        section("Conditions", [["", ""], *map(list, reported.items())]),
        section("Phases", _phase_rows(findings), _PHASES_NOTE),
        section("Latencies, seconds", _latency_rows(findings), _LATENCY_NOTE),
        section("Requests", _request_rows(findings), _REQUESTS_NOTE),
        section("Beside KubeRay", _peer_rows(findings), _PEER_NOTE),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_PHASES_NOTE = (
    "*jobs*: from the start of the process until each TTSJob has a status. "
    "*creation*: the VoiceModels are made while the operator runs, until each has a status of its "
    "generation. *cold start*: they are there before; from the start of the process. *waiting*: no pod runs, "
    "and nothing happens. *became ready*: every application is said to run. *steady state*: they do, and "
    "nothing happens. *change*: another speaker for one voice of a model, until all are Ready again. "
    "*clusters appeared*: the operator was down while KubeRay made them. *restart*, *resync*: every service "
    "is reconciled, nothing is to do. For KubeRay, *cold start* is over when every RayService names its "
    "cluster, and *restart* when there were as many reconciles as RayServices. The API server's CPU is "
    "etcd's too, whoever asked for it."
)
_LATENCY_NOTE = (
    "Medians and 99th percentiles. Reconcile and queue are from the operators' histograms, interpolated. "
    "Status is exact: from the API's answer to whoever made or changed a VoiceModel until its status speaks "
    "of that."
)
_REQUESTS_NOTE = (
    "As the operator counts them, by verb and kind: writes of children, statuses and Events, without "
    "renewals of the Lease (one in five seconds). Watches are not among the reads."
)
_PEER_NOTE = (
    "The same RayServices. Ours has a VoiceModel for each, and applies its children and a status; KubeRay "
    "makes a RayCluster, Services, a Secret and pods (which nothing schedules), and writes its statuses. "
    "KubeRay runs with its defaults: one reconcile at a time, 100 requests a second, reads from its cache. "
    "The work is not the same: the figures place ours beside what runs in such a cluster anyway. Ratios are "
    "ours over KubeRay's."
)


def _phase_rows(findings: Findings) -> list[list[str]]:
    rows = [
        [
            "Services",
            "Operator",
            "Phase",
            "Resources",
            "Seconds",
            "A second",
            "Reconciles",
            "Reads",
            "Writes",
            "Writes each",
            "CPU, s",
            "API server's, s",
            "Peak, MiB",
        ]
    ]
    for phase in findings.phases:
        done = f"{phase.resources:,}"
        if phase.reached != phase.resources:
            done = f"{phase.reached:,} of {done}"
        still = phase.name in (STEADY, WAITING)
        rows.append(
            [
                phase.layout,
                phase.operator,
                phase.name,
                done,
                figure(phase.seconds, 1),
                "" if still else figure(phase.rate, 1),
                figure(phase.reconciles, 0),
                figure(phase.read, 0),
                figure(phase.written, 0),
                figure(phase.written / phase.resources),
                figure(phase.cpu, 1),
                figure(phase.server_cpu, 1),
                figure(phase.memory / MIB, 0),
            ]
        )
    return rows


def _latency_rows(findings: Findings) -> list[list[str]]:
    rows = [["Services", "Operator", "Phase", "Reconcile", "Queue", "Status"]]
    for phase in findings.phases:
        times = [_spread(phase.reconcile), _spread(phase.queued), _spread(phase.noticed)]
        if any(times):
            rows.append([phase.layout, phase.operator, phase.name, *times])
    return rows


def _request_rows(findings: Findings) -> list[list[str]]:
    rows = [["Services", "Phase", "Writes", "Reads"]]
    rows += [
        [phase.layout, phase.name, _requests(phase.writes), _requests(phase.reads)]
        for phase in findings.phases
        if phase.operator == OURS
    ]
    return rows


def _peer_rows(findings: Findings) -> list[list[str]]:
    rows = [["", "ours", "KubeRay", "Ratio"]]

    def compare(name: str, title: str, ours: float | None, peer: float | None, digits: int = 2) -> None:
        ratio = ours / peer if ours is not None and peer else None
        rows.append([f"{name}: {title}", figure(ours, digits), figure(peer, digits), figure(ratio)])

    for name in (COLD, WAITING, RESTART):
        ours, peer = findings.find(OWN, name), findings.find(OWN, name, KUBERAY)
        if ours is None or peer is None:
            continue
        if name != WAITING:
            compare(name, "seconds", ours.seconds, peer.seconds, 1)
            compare(name, "resources a second", ours.rate, peer.rate, 1)
        if name == COLD:
            compare(name, "reads a resource", ours.read / ours.resources, peer.read / peer.resources)
            compare(name, "writes a resource", ours.written / ours.resources, peer.written / peer.resources)
        else:
            compare(name, "reads a second", ours.read / ours.seconds, peer.read / peer.seconds)
            compare(name, "writes", ours.written, peer.written, 0)
        if ours.reconcile and peer.reconcile:
            compare(name, "reconcile p50, ms", ours.reconcile.p50 * 1000, peer.reconcile.p50 * 1000, 1)
            compare(name, "reconcile p99, ms", ours.reconcile.p99 * 1000, peer.reconcile.p99 * 1000, 1)
        compare(name, "CPU, share of one core", ours.cpu / ours.seconds, peer.cpu / peer.seconds)
        compare(name, "peak memory, MiB", ours.memory / MIB, peer.memory / MIB, 0)
    return rows


def _requests(counts: Mapping[str, float]) -> str:
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,.0f}" for name, count in shown if count)


def _spread(found: Spread | None) -> str:
    return "" if found is None else f"{found.p50:.3f} / {found.p99:.3f}"
