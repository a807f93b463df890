from typing import Any

import pytest
from findings import MIB
from reconcile_findings import (
    COLD,
    CREATION,
    JOBS,
    KUBERAY,
    OURS,
    OWN,
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


def make_phase(name: str, layout: str = SHARED, operator: str = OURS, **changes: Any) -> Phase:
    """1,000 resources in 40 s, 3 reads and 2 writes of each."""
    values: dict[str, Any] = {
        "resources": 1000,
        "reached": 1000,
        "seconds": 40.0,
        "reconciles": 1200.0,
        "reads": {"list VoiceModel": 1000.0, "get RayService": 2000.0},
        "writes": {"status VoiceModel": 1000.0, "apply RayService": 1000.0},
        "cpu": 20.0,
        "server_cpu": 30.0,
        "memory": 100 * MIB,
        "reconcile": Spread(0.02, 0.2),
        **changes,
    }
    return Phase(layout, operator, name, **values)


def make_findings(**still: Any) -> Findings:
    """Findings of a run that reached everything; `still` changes the phases in which nothing happens."""
    quiet = {"reads": {}, "writes": {}, "server_writes": 0.0, **still}
    phases = [
        make_phase(CREATION, noticed=Spread(1.5, 20.0)),
        make_phase(WAITING, **quiet),
        make_phase(STEADY, **quiet),
        make_phase(RESTART, **quiet),
        make_phase(RESYNC, **quiet),
        make_phase(COLD, OWN),
        make_phase(COLD, OWN, KUBERAY, seconds=80.0, memory=50 * MIB),
        make_phase(JOBS),
    ]
    return Findings({"CPU": "one"}, {"Services: shared": "200 of 5"}, phases)


def test_targets_reached() -> None:
    assert all(target.met for target in targets(make_findings()))


def test_targets_missed() -> None:
    findings = make_findings(writes={"status VoiceModel": 1.0}, reads={"list Pod": 1.0})
    findings.phases[0] = make_phase(CREATION, seconds=51.0, writes={"apply RayService": 3001.0})
    findings.phases[5] = make_phase(COLD, OWN, reached=999, memory=250 * MIB)
    findings.phases[7] = make_phase(JOBS, seconds=51.0, writes={"create Event": 3001.0})
    assert [target.met for target in targets(findings)] == [False] * 10
    assert "**missed**" in render(findings)


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_targets_of_writes_count_what_the_api_server_counts(seen: float) -> None:
    found = targets(make_findings(server_writes=seen))
    met = [target.met for target in found if target.wanted == "0" and target.name.startswith("Writes")]
    assert met == [seen == 0] * 3


def test_targets_not_measured() -> None:
    assert {target.met for target in targets(Findings({}))} == {None}
    assert "not measured" in render(Findings({}))


def test_render_shows_every_table() -> None:
    page = render(make_findings())
    assert "| VoiceModels reconciled a second, five to a service | at least 20 | 25.0 (1,000 of" in page
    assert "| shared | ours | creation | 1,000 | 40.0 | 25.0 | 1,200 | 3,000 | 2,000 | 2.00 |" in page
    assert "| shared | ours | creation | 0.020 / 0.200 |  | 1.500 / 20.000 |" in page
    assert (
        "| shared | creation | apply RayService 1,000, status VoiceModel 1,000 | get RayService 2,000,"
        in page
    )
    assert "| cold start: seconds | 40.0 | 80.0 | 0.50 |" in page
    assert "| cold start: peak memory, MiB | 100 | 50 | 2.00 |" in page
    assert "| Services: shared | 200 of 5 |" in page
    for line in page.splitlines():
        assert line == line.rstrip()


def test_render_shows_how_many_models_came_in_time() -> None:
    findings = Findings({}, phases=[make_phase(COLD, OWN, reached=400)])
    assert "| 400 of 1,000 |" in render(findings)


def test_spread_needs_more_than_one_time() -> None:
    assert spread([1.0]) is None
    assert spread([n / 100 for n in range(101)]) == Spread(0.5, pytest.approx(0.99))
