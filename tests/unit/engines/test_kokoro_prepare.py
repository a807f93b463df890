import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from tts_app.engines.kokoro import prepare as kokoro_prepare
from tts_app.engines.kokoro.prepare import prepare, prepared_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(make_graph("Relu"), str(path))
    return path


def make_graph(operator: str) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_prepare_writes_the_graph_once(model: Path) -> None:
    prepared = prepare(model)
    assert prepared == prepared_folder(model) / "graph.onnx"
    written = prepared.stat().st_mtime_ns
    assert prepare(model) == prepared
    assert prepared.stat().st_mtime_ns == written
    session = ort.InferenceSession(str(prepared), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.array([-1, 2], np.float32)})[0].tolist() == [0, 2]
    assert sorted(path.name for path in model.parent.iterdir()) == sorted([model.name, prepared.parent.name])


@pytest.mark.parametrize("name", ["graph.onnx", "digests.json"])
@pytest.mark.parametrize("content", [b"evil", None])
def test_a_prepared_graph_that_changed_is_told_and_made_anew(
    model: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes | None
) -> None:
    prepared = prepare(model)
    assert prepared is not None
    before = prepared.read_bytes()
    path = prepared.with_name(name)
    path.unlink() if content is None else path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert prepare(model) == prepared
    assert prepared.read_bytes() == before
    assert f"{prepared.parent} changed since it was made" in caplog.text
    caplog.clear()
    prepare(model)
    assert caplog.text == ""


def test_prepared_weights_that_changed_are_noticed(model: Path) -> None:
    prepared = prepare(model)
    assert prepared is not None
    prepared.with_name("weights.bin").write_bytes(b"put there")
    prepare(model)
    assert not prepared.with_name("weights.bin").exists(), "this graph has no weights"


def test_where_the_cache_is_read_only_too_the_state_folder_has_the_graph(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path / "cache" / "not-there"))
    monkeypatch.setenv("TTSP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(kokoro_prepare.os, "access", lambda path, mode: False)
    prepared = prepare(model)
    assert prepared is not None
    assert prepared.parent.parent == tmp_path / "state" / "prepared"


def test_prepared_folder_name_depends_on_model_and_machine(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {prepared_folder(model).name}
    assert ort.__version__ in names.copy().pop()
    monkeypatch.setattr(kokoro_prepare, "REWRITES_VERSION", 999)
    names.add(prepared_folder(model).name)
    monkeypatch.setattr(kokoro_prepare, "_cpu_features", lambda: "another CPU")
    names.add(prepared_folder(model).name)
    monkeypatch.setattr(ort, "__version__", "9.9.9")
    names.add(prepared_folder(model).name)
    onnx.save(make_graph("Neg"), str(model))
    names.add(prepared_folder(model).name)
    assert len(names) == 5


def test_prepare_uses_the_cache_for_a_read_only_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(kokoro_prepare.os, "access", lambda path, mode: path != model.parent)
    prepared = prepare(model)
    assert prepared is not None
    assert prepared.parent.parent == tmp_path / "cache" / "prepared"
    assert [path.name for path in model.parent.glob("model.*")] == [model.name]


def test_prepare_runs_in_two_processes_at_once(model: Path) -> None:
    code = "import sys, pathlib; from tts_app.engines.kokoro.prepare import prepare\n"
    code += "print(prepare(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(model)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {child.communicate(timeout=600)[0].strip() for child in children}
    assert answers == {str(prepared_folder(model) / "graph.onnx")}
    assert len(list(model.parent.iterdir())) == 2


def test_prepare_accepts_the_graph_of_another_process(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optimise = kokoro_prepare._optimise

    def be_overtaken(path: Path, work: Path) -> Path:
        made = optimise(path, work)
        theirs = prepared_folder(path)
        theirs.mkdir()
        (theirs / "graph.onnx").write_bytes((made / "graph.onnx").read_bytes())
        (theirs / "digests.json").write_text(json.dumps(kokoro_prepare._digests(theirs)))
        return made

    monkeypatch.setattr(kokoro_prepare, "_optimise", be_overtaken)
    prepared = prepare(model)
    assert prepared is not None
    assert ort.InferenceSession(str(prepared), providers=["CPUExecutionProvider"]).get_inputs()


def test_prepare_returns_none_where_nothing_can_be_written(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    with caplog.at_level(logging.WARNING):
        assert prepare(model) is None
    assert "Permission denied" in caplog.text
