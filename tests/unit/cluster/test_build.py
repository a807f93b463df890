"""What is built, and what is said when it cannot be."""

import re
from pathlib import Path

import pytest

from cluster import build
from cluster.binaries import BINARIES, NODE, OBSERVABILITY, VERSIONS, Binary


@pytest.mark.parametrize(
    "binary", [binary for binary in BINARIES.values() if binary.module], ids=lambda b: b.name
)
def test_wrapper_modules_pin_the_versions_of_the_table(binary: Binary) -> None:
    assert binary.module
    text = (build.MODULES / binary.folder / "go.mod").read_text()
    assert re.search(rf"^(require|\t) ?{re.escape(binary.module)} {re.escape(binary.version)}\b", text, re.M)
    if binary.package:
        assert re.search(rf"^(tool |\t){re.escape(binary.package)}$", text, re.M)


@pytest.mark.parametrize("binary", [b for b in BINARIES.values() if b.imports], ids=lambda b: b.name)
def test_wrapper_modules_of_own_sources_pin_what_they_import(binary: Binary) -> None:
    text = (build.MODULES / binary.folder / "go.mod").read_text()
    for module in binary.imports:
        assert re.search(rf"^\t{re.escape(module)} {re.escape(VERSIONS[module])}$", text, re.M)


def test_check_names_the_smallest_set_that_builds_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
    for names, chosen in ((["etcd"], "control-plane"), (["etcd", "kubelet"], "node")):
        with pytest.raises(build.PrerequisiteError, match=rf"hack/cluster build {chosen}`"):
            build.check(names)
    with pytest.raises(build.PrerequisiteError, match=r"otel-collector-v.*hack/cluster build observability`"):
        build.check(OBSERVABILITY)


def test_build_without_go_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.PrerequisiteError, match=r"go is missing .*go\.dev/dl.* run this again"):
        build.build(NODE)


def test_build_with_an_old_go_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = "go: go.mod requires go >= 1.26.0 (running go 1.21; GOTOOLCHAIN=local)"
    go = tmp_path / "go"
    go.write_text(f'#!/bin/sh\necho "{old}" >&2\nexit 1\n')
    go.chmod(0o755)
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(build.PrerequisiteError, match=re.escape(old)):
        build.build(NODE)


def test_build_with_a_full_cache_needs_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    for name in NODE:
        if BINARIES[name].files:
            build.files_of(name).mkdir(parents=True)
    for name in NODE:
        build.path_of(name).touch()
    build.build(NODE)


def test_build_that_fails_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\n[ "$1" = list ] && exit 0\necho "undefined: x" >&2\nexit 1\n')
    go.chmod(0o755)
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(build.BuildError, match="undefined: x"):
        build.build(["etcd"])
    assert [path.name for path in (tmp_path / "cache" / "bin").iterdir()] == [".lock"]
