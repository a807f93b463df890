"""How Prometheus finds the metrics of a service's pods, which Ray serves on up to three ports."""

from collections.abc import Mapping
from typing import Any

from tts_app.resources import Playground
from tts_app.resources.playground import Monitoring
from tts_operator.objects import COMPONENT_LABEL, JOB_LABEL, SERVICE_LABEL

METRICS_PORT = 8080
"""Ray's and ours, on every pod."""
METRICS_PORTS: Mapping[str, int] = {"metrics": METRICS_PORT, "as-metrics": 44217, "dash-metrics": 44227}
"""Ports by name, as KubeRay's own PodMonitors have them: of every pod; of the head, Ray's autoscaler and its
dashboard."""
COMPONENT = "metrics"
"""Component of the Kubernetes Service that a ServiceMonitor selects."""
DROPPED_LABELS = "otel_scope_.*|SessionName|Version"
"""Labels of Ray that are on every sample and make new series of each restart. WorkerId stays: Ray's dashboard
of text models joins by it, and without it two processes of a node would have the same series."""
_SOURCES = {
    "ray_io_cluster": "__meta_kubernetes_pod_label_ray_io_cluster",
    "ttsp_service": "__meta_kubernetes_pod_label_ttsplayground_dev_service",
    "ttsp_job": "__meta_kubernetes_pod_label_ttsplayground_dev_ttsjob",
    "node": "__meta_kubernetes_pod_node_name",
}
"""Labels of samples and where they come from. Ray's own dashboards select by the first."""


def monitoring_of(playground: Playground, default: Monitoring) -> Monitoring:
    """Return how Prometheus finds a service; `default` counts where its Playground is silent."""
    given = playground.spec.monitoring
    return Monitoring(
        kind=given.kind or ("PodMonitor" if given.pod_monitor else default.kind),
        labels=given.labels or default.labels,
        interval=given.interval or default.interval,
    )


def pod_monitor(service: str, monitoring: Monitoring) -> dict[str, Any]:
    """Return the body of the PodMonitor of a service's pods."""
    return _pod_monitor({SERVICE_LABEL: service}, monitoring)


def job_monitor(job: str, monitoring: Monitoring) -> dict[str, Any]:
    """Return the body of the PodMonitor of the pods of a TTSJob's own cluster."""
    return _pod_monitor({JOB_LABEL: job}, monitoring)


def service_monitor(service: str, monitoring: Monitoring) -> dict[str, Any]:
    """Return the body of the ServiceMonitor of a service's pods; it needs that of `metrics_service`."""
    selector = {SERVICE_LABEL: service, COMPONENT_LABEL: COMPONENT}
    return {"spec": {"selector": {"matchLabels": selector}, "endpoints": _endpoints(monitoring)}}


def metrics_service(service: str) -> dict[str, Any]:
    """Return the body of the Kubernetes Service that names the pods' metrics ports; it has no address.

    A worker without a replica is not ready, and its metrics are wanted all the same.
    """
    ports = [
        {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
        for name, port in METRICS_PORTS.items()
    ]
    return {
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {SERVICE_LABEL: service},
            "ports": ports,
        }
    }


def annotations(monitoring: Monitoring) -> dict[str, str]:
    """Return the annotations of pods by which a Prometheus without its operator finds them.

    They have room for one port: Ray's autoscaler and dashboard are left out.
    """
    if monitoring.kind != "Annotations":
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }


def _pod_monitor(selector: Mapping[str, str], monitoring: Monitoring) -> dict[str, Any]:
    return {
        "spec": {"selector": {"matchLabels": dict(selector)}, "podMetricsEndpoints": _endpoints(monitoring)}
    }


def _endpoints(monitoring: Monitoring) -> list[dict[str, Any]]:
    """Return an endpoint for each port; a pod that has no port of a name is left out of that endpoint."""
    interval = {"interval": monitoring.interval} if monitoring.interval else {}
    return [
        {
            "port": name,
            **interval,
            "relabelings": [
                {"action": "replace", "sourceLabels": [source], "targetLabel": label}
                for label, source in _SOURCES.items()
            ],
            "metricRelabelings": [{"action": "labeldrop", "regex": DROPPED_LABELS}],
        }
        for name in METRICS_PORTS
    ]
