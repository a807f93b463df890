"""Ray's own dashboards, as the package of Ray makes them."""

import json
import os

from ray.dashboard.modules.metrics import grafana_dashboard_factory as factory

from dashboards.links import RAY_TAG

_MAKERS = {
    "default": factory.generate_default_grafana_dashboard,
    "serve": factory.generate_serve_grafana_dashboard,
    "serve-deployment": factory.generate_serve_deployment_grafana_dashboard,
    "serve-llm": factory.generate_serve_llm_grafana_dashboard,
}


def ray_dashboards() -> dict[str, str]:
    """Return Ray's dashboards as JSON, by the file's name, with what ours and our scrapes need.

    Raises RuntimeError if the environment has settings for them: they would go into the files.
    """
    if given := sorted(name for name in os.environ if name.startswith("RAY_GRAFANA_")):
        raise RuntimeError(
            f"unset {', '.join(given)}: Ray would make other dashboards than those of its package"
        )
    return {f"ray-{name}.json": _fitted(make()[0]) for name, make in _MAKERS.items()}


def _fitted(text: str) -> str:
    """Return a dashboard with the tag by which ours link to it, and an `All` that a missing label matches.

    Scrapes on a cluster drop SessionName, of which Ray's own `All`, `.+`, finds nothing.
    """
    dashboard = json.loads(text)
    dashboard["tags"] = [*dashboard["tags"], RAY_TAG]
    for variable in dashboard["templating"]["list"]:
        if variable.get("allValue") == ".+":
            variable["allValue"] = ".*"
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
