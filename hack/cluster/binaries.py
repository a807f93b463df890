"""The cluster's programs and their versions: the one place where these are written.

After a change here, `python hack/cluster pin` writes `modules/` again.
"""

from dataclasses import dataclass

KUBERNETES = "k8s.io/kubernetes"
KUBERAY = "github.com/ray-project/kuberay/ray-operator"
KUEUE = "sigs.k8s.io/kueue"
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
GRAFANA_OPERATOR = "github.com/grafana/grafana-operator/v5"
COLLECTOR = "go.opentelemetry.io/collector/otelcol"
_CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
_COLLECTOR_PARTS = tuple(
    f"{_CONTRIB}/{part}"
    for part in (
        "exporter/fileexporter",
        "extension/healthcheckextension",
        "extension/storage/filestorage",
        "receiver/filelogreceiver",
    )
)
"""The modules of its components that come from elsewhere, and have versions of their own."""

VERSIONS = {
    KUBERNETES: "v1.34.4",
    "go.etcd.io/etcd/server/v3": "v3.6.4",  # what Kubernetes' own go.mod pins
    KUBERAY: "v1.6.2",
    "github.com/coredns/coredns": "v1.12.4",
    KUEUE: "v0.17.0",
    "helm.sh/helm/v4": "v4.3.1",
    "github.com/yannh/kubeconform": "v0.8.0",
    PROMETHEUS_OPERATOR: "v0.93.1",
    GRAFANA_OPERATOR: "v5.24.0",
    COLLECTOR: "v0.165.0",
    **dict.fromkeys(_COLLECTOR_PARTS, "v0.165.1"),
}
"""Go modules and the versions that are built."""


@dataclass(frozen=True)
class Binary:
    """A program, and the Go package from which it is built; or only files of a Go module."""

    name: str
    folder: str
    """The wrapper module below `modules/` in which it is built."""
    package: str
    """Empty: nothing is built, only `files` are kept."""
    version: str
    module: str | None
    """Its Go module; None: the wrapper holds its source."""
    imports: tuple[str, ...] = ()
    """Of a source in the wrapper: the modules that it imports."""
    version_variables: tuple[str, ...] = ()
    """Go variables that give the program its version."""
    files: str = ""
    """The folder of the module that is kept beside the program: installing the program needs it."""
    work: float = 1.0
    """CPU seconds of its build after all before it in `NODE`, because they share packages. Estimated from the
    times of a whole build with empty caches of Go 1.26; the proportions matter most."""


def _kubernetes(name: str, work: float) -> Binary:
    stamps = ("k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion")
    package = f"{KUBERNETES}/cmd/{name}"
    return Binary(name, "kubernetes", package, VERSIONS[KUBERNETES], KUBERNETES, (), stamps, work=work)


def _other(
    name: str, folder: str, module: str, package: str = "", *, work: float, stamp: str = "", files: str = ""
) -> Binary:
    stamps = (stamp,) if stamp else ()
    return Binary(name, folder, module + package, VERSIONS[module], module, (), stamps, files, work)


def _files(name: str, module: str, files: str) -> Binary:
    return Binary(name, "definitions", "", VERSIONS[module], module, files=files, work=5)


BINARIES = {
    binary.name: binary
    for binary in (
        # etcd shares Kubernetes' wrapper: the two agree on their dependencies.
        _other("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", work=105),
        _kubernetes("kube-apiserver", work=388),
        _kubernetes("kube-controller-manager", work=177),
        _kubernetes("kubectl", work=147),
        _other("kuberay", "kuberay", KUBERAY, files="config/crd/bases", work=350),
        _other(
            "helm",
            "helm",
            "helm.sh/helm/v4",
            "/cmd/helm",
            stamp="helm.sh/helm/v4/internal/version.version",
            work=270,
        ),
        _other(
            "kubeconform",
            "kubeconform",
            "github.com/yannh/kubeconform",
            "/cmd/kubeconform",
            stamp="main.version",
            work=10,
        ),
        # Their custom resource definitions: what the chart makes of these kinds is checked against them.
        _files("prometheus-operator", PROMETHEUS_OPERATOR, "example/prometheus-operator-crd"),
        _files("grafana-operator", GRAFANA_OPERATOR, "config/crd/bases"),
        _kubernetes("kube-scheduler", work=12),
        _kubernetes("kube-proxy", work=12),
        _kubernetes("kubelet", work=75),
        _other("coredns", "coredns", "github.com/coredns/coredns", work=300),
        _other(
            "kueue",
            "kueue",
            KUEUE,
            "/cmd/kueue",
            stamp=f"{KUEUE}/pkg/version.GitVersion",
            files="charts/kueue",
            work=300,
        ),
        Binary("pause", "pause", ".", "v1", None),
        Binary(
            "otel-collector",
            "otel-collector",
            ".",
            VERSIONS[COLLECTOR],
            None,
            (COLLECTOR, *_COLLECTOR_PARTS),
            ("main.version",),
            work=200,
        ),
    )
}

CONTROL_PLANE = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
    "kuberay",
    "helm",
    "kubeconform",
    "prometheus-operator",
    "grafana-operator",
)
NODE = (*CONTROL_PLANE, "kube-scheduler", "kube-proxy", "kubelet", "coredns", "kueue", "pause")
OBSERVABILITY = ("otel-collector",)
SETS = {"control-plane": CONTROL_PLANE, "node": NODE, "observability": OBSERVABILITY}
"""What to build for operator tests, for a cluster that runs pods, and for tests of logs and traces."""
