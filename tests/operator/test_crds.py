"""The CRDs on a real API server: taken whole, each rule refuses in its own words, good ones come back."""

import json
import runpy
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from running import PATIENCE, eventually

from cluster.control_plane import CommandError, ControlPlane
from tts_app.evaluate.patch import Evaluated, to_patch
from tts_app.evaluate.results import Summary, Verdict
from tts_app.manifests import samples_folder
from tts_app.resources import KINDS

ROOT = Path(__file__).parents[2]
Resource = dict[str, Any]
CASES = runpy.run_path(str(ROOT / "tests" / "unit" / "resources" / "cases.py"))
GOOD: dict[str, Resource] = CASES["GOOD"]
NAMESPACE = "crds"
SAMPLES = sorted(path for path in samples_folder().glob("*.yaml"))


class RefusedError(Exception):
    """The API server refused a request; the message is its own."""


class Client:
    """The API server in a namespace of our own, asked directly: quicker than kubectl, which is there too."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._plane = control_plane
        config = yaml.safe_load(control_plane.kubeconfig.read_text(encoding="utf-8"))
        self._http = httpx2.Client(
            base_url=f"{control_plane.url}/apis/ttsplayground.dev/v1alpha1/namespaces/{NAMESPACE}",
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
            verify=ssl.create_default_context(cafile=str(control_plane.certificate)),
            timeout=PATIENCE,
            trust_env=False,
        )

    def kubectl(self, *args: str, document: Any = None) -> str:
        given = None if document is None else json.dumps(document)
        return self._plane.kubectl("--namespace", NAMESPACE, *args, input=given)

    def create(self, document: Resource, dry_run: bool = False) -> None:
        """Make a resource, as `kubectl create` does."""
        query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        self._ask("POST", _plural(document), params=query, json=document)

    def replace(self, document: Resource) -> None:
        """Put a resource in the place of the one of its name, as `kubectl replace` does."""
        version = self.get(document)["metadata"]["resourceVersion"]
        metadata = {**document["metadata"], "resourceVersion": version}
        query = {"fieldValidation": "Strict"}
        self._ask("PUT", _path(document), params=query, json={**document, "metadata": metadata})

    def apply(self, document: Resource, manager: str = "someone") -> None:
        """Apply a resource, as `kubectl apply --server-side` does."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        self._ask("PATCH", _path(document), params=query, headers=headers, content=json.dumps(document))

    def merge_status(self, document: Resource, status: Any) -> None:
        """Write a part of a resource's status, as its controller does."""
        headers = {"Content-Type": "application/merge-patch+json"}
        patch = json.dumps({"status": status})
        query = {"fieldValidation": "Strict"}
        self._ask("PATCH", f"{_path(document)}/status", params=query, headers=headers, content=patch)

    def get(self, document: Resource) -> Resource:
        return self._ask("GET", _path(document))

    def delete(self, document: Resource) -> None:
        self._ask("DELETE", _path(document), missing_is_fine=True)

    def _ask(self, method: str, path: str, *, missing_is_fine: bool = False, **request: Any) -> Resource:
        response = self._http.request(method, path, **request)
        answer: Resource = response.json()
        if response.is_error and not (missing_is_fine and response.status_code == 404):
            raise RefusedError(answer["message"])
        return answer


def _plural(document: Resource) -> str:
    return f"/{KINDS[document['kind']].plural}"


def _path(document: Resource) -> str:
    return f"{_plural(document)}/{document['metadata']['name']}"


def refusal(call: Callable[..., None], *args: Any, **more: Any) -> str:
    """Return the words with which the API server refuses a request."""
    with pytest.raises(RefusedError) as caught:
        call(*args, **more)
    return str(caught.value)


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Client:
    names = [f"crd/{kind.plural}.ttsplayground.dev" for kind in KINDS.values()]
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={ROOT / 'crds'}")
    control_plane.await_established(*names)

    def reported() -> list[str]:
        return control_plane.kubectl("api-resources", "--categories=tts", "--output=name").split()

    # kubectl keeps what it discovered; this asks anew, until the API server tells of the new kinds.
    eventually(lambda: len(reported()) == len(names), "the API server tells of the new kinds")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    control_plane.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(namespace))
    return Client(control_plane)


@pytest.mark.parametrize("kind", KINDS)
def test_crd_is_established_with_its_short_name(client: Client, kind: str) -> None:
    crd = json.loads(client.kubectl("get", f"crd/{KINDS[kind].plural}.ttsplayground.dev", "--output=json"))
    conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}, "NonStructuralSchema would be here"
    assert crd["status"]["acceptedNames"]["shortNames"] == [KINDS[kind].short_name]


@pytest.mark.parametrize("case", [*CASES["RULES"], *CASES["NAMES"]], ids=str)
def test_crd_rule_refuses_a_broken_resource_in_its_own_words(client: Client, case: Any) -> None:
    assert case.says in refusal(client.create, case.resource, dry_run=True)


@pytest.mark.parametrize("case", CASES["CHANGES"], ids=str)
def test_crd_rule_refuses_a_forbidden_change_in_its_own_words(client: Client, case: Any) -> None:
    client.apply(GOOD[case.good])
    try:
        assert case.says in refusal(client.replace, case.resource)
    finally:
        client.delete(GOOD[case.good])


@pytest.mark.parametrize(
    ("good", "change"),
    [
        ("speakers", {"spec.voices.0.speaker": "af_bella", "spec.replicas": {"min": 1, "max": 1}}),
        ("text", {"spec.source.uri": "pvc://models/b", "spec.contextLength": 8192}),
        ("job", {"spec.suspend": True, "spec.retries": 0, "spec.parallelism": 1}),
        ("job-of-a-service", {"spec.ttlSecondsAfterFinished": None, "metadata.labels": {"a": "b"}}),
        ("playground", {"spec.storage.audio.size": "1Ti"}),
        ("playground", {"spec.storage.audio": {"existingClaim": "mine", "size": "20Gi"}}),
        ("playground", {"spec.ray.version": "2.61.0", "spec.whenEmpty": "KeepGateway"}),
    ],
)
def test_crd_accepts_an_allowed_change(client: Client, good: str, change: dict[str, Any]) -> None:
    changed = CASES["Case"](good, change, "").resource
    try:
        client.apply(GOOD[good])
        client.replace(changed)
        kind = KINDS[changed["kind"]]
        assert kind.model_validate(client.get(changed)).spec == kind.model_validate(changed).spec
    finally:
        client.delete(changed)


@pytest.mark.parametrize(
    ("good", "change", "says"),
    [
        ("speakers", {"spec.engine": "espeak"}, 'Unsupported value: "espeak": supported values: "kokoro"'),
        ("speakers", {"spec.engine": None}, "spec.engine: Required value"),
        ("speakers", {"spec.voices": []}, "spec.voices: Invalid value"),
        ("speakers", {"spec.voices.0.locale": "fr_FR"}, "should match"),
        ("speakers", {"spec.voices.1.gender": "female"}, "spec.voices[1]: Duplicate value"),
        ("speakers", {"spec.source.uri": "https://example.com/a"}, "spec.source.uri: Invalid value"),
        ("speakers", {"spec.resources.cpu": "two"}, "spec.resources.cpu: Invalid value"),
        ("speakers", {"spec.resources.cpu": -1}, "spec.resources.cpu: Invalid value"),
        ("speakers", {"spec.replicas.targetOngoingRequests": 0}, "should be greater than 0"),
        ("speakers", {"spec.colour": "red"}, 'unknown field "spec.colour"'),
        (
            "speakers",
            {"spec.voices.0.reference": {"uri": "pvc://a/b", "transcript": "Hi."}},
            "spec.voices[0].reference.consent: Required",
        ),
        (
            "speakers",
            {"spec.voices.0.reference": {**CASES["CLIP"], "consent": {**CASES["CONSENT"], "by": ""}}},
            "consent.by: Invalid value",
        ),
        ("job", {"spec.avatars": {"genders": ["male", "male"]}}, "spec.avatars.genders[1]: Duplicate value"),
        ("job", {"spec.parallelism": 0}, "spec.parallelism: Invalid value"),
        ("playground", {"spec.ray.auth": "password"}, 'Unsupported value: "password"'),
        ("playground", {"spec.scheduling.hostNetwork": True}, 'unknown field "spec.scheduling.hostNetwork"'),
        ("playground", {"spec.podTemplate": {}}, 'unknown field "spec.podTemplate"'),
    ],
)
def test_crd_schema_refuses_wrong_values(
    client: Client, good: str, change: dict[str, Any], says: str
) -> None:
    broken = CASES["Case"](good, change, says).resource
    assert says in refusal(client.create, broken, dry_run=True)


@pytest.mark.parametrize("name", GOOD)
def test_crd_returns_a_good_resource_unchanged(client: Client, name: str) -> None:
    document = GOOD[name]
    try:
        client.apply(document)
        before = client.get(document)
        client.apply(document)
        assert client.get(document)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        differs = ("diff", "--server-side", "--field-manager=someone", "--filename=-")
        assert client.kubectl(*differs, document=document) == ""
        # The server's defaults are Python's.
        kind = KINDS[document["kind"]]
        assert kind.model_validate(before).spec == kind.model_validate(document).spec
    finally:
        client.delete(document)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_is_applied_without_a_difference(client: Client, path: Path) -> None:
    try:
        client.kubectl("apply", "--server-side", f"--filename={path}")
        assert client.kubectl("diff", "--server-side", f"--filename={path}") == ""
    finally:
        client.kubectl("delete", "--ignore-not-found", f"--filename={path}")


def test_crd_parameters_keep_any_field(client: Client) -> None:
    document = GOOD["text-on-gpus"]
    try:
        client.apply(document)
        assert client.get(document)["spec"]["parameters"] == document["spec"]["parameters"]
    finally:
        client.delete(document)


def test_crd_voices_may_belong_to_two_appliers(client: Client) -> None:
    document = GOOD["speakers"]
    own = {"locale": "es-ES", "gender": "male", "speaker": "em_alex"}
    try:
        client.apply(document)
        spec = {k: v for k, v in document["spec"].items() if k in {"engine", "source", "license"}}
        client.apply({**document, "spec": {**spec, "voices": [own]}}, manager="someone-else")
        voices = client.get(document)["spec"]["voices"]
        assert [voice["speaker"] for voice in voices] == ["af_heart", "am_michael", "em_alex"]
    finally:
        client.delete(document)


def test_patch_of_an_evaluation_changes_what_was_measured_alone(client: Client) -> None:
    """As docs/models.md says to apply it, to a resource that somebody has written otherwise."""
    document = GOOD["speakers"]
    summary = Summary(
        avatar="male_en-US",
        locale="en-US",
        gender="male",
        plain=0.01,
        stress=0.05,
        dnsmos=3.3,
        f0=110.0,
        quietest=-16.4,
        loudest=-15.9,
        true_peak=-1.2,
        clipped=0,
        clicks=0,
        bursts=0,
        leading=0.1,
        trailing=0.2,
        gain=3.2,
        seconds=9.0,
    )
    patch = yaml.safe_load(to_patch("speakers", [Evaluated(summary, Verdict("production"), similarity=0.9)]))
    options = ("--server-side", "--field-manager=ttsp-evaluate", "--force-conflicts", "--filename=-")
    try:
        client.create(document)
        before = client.get(document)["spec"]
        for _ in range(2):
            client.kubectl("apply", *options, document=patch)
        after = client.get(document)["spec"]
        assert after["voices"][1] == {
            **before["voices"][1],
            "quality": "production",
            "gain": 3.2,
            "measured": {
                "metric": "wer",
                "plain": 0.01,
                "stress": 0.05,
                "dnsmos": 3.3,
                "f0": 110,
                "similarity": 0.9,
            },
        }
        after["voices"][1] = before["voices"][1]
        assert after == before
    finally:
        client.delete(document)


def test_crd_rule_cost_allows_the_largest_job(client: Client) -> None:
    """A rule is given up, and the resource refused, when it takes the API server too long."""
    texts = dict.fromkeys(CASES["LOCALES"][:64], "Welcome to the hotel.")
    posts = [{"id": number, "text": texts} for number in range(500)]
    job = {**GOOD["job"], "spec": {**GOOD["job"]["spec"], "posts": {"inline": posts}}}
    try:
        client.kubectl("create", "--filename=-", document=job)
        client.kubectl("patch", "ttsj/job", "--type=merge", '--patch={"spec": {"suspend": true}}')
        posts[-1]["text"] = {"en": "Hi."}
        with pytest.raises(CommandError, match="posts cannot be changed"):
            client.kubectl("replace", "--filename=-", document=job)
    finally:
        client.delete(job)


def test_crd_rule_cost_allows_the_most_voices_and_locales(client: Client) -> None:
    locales = CASES["LOCALES"]
    voices = [
        {"locale": locale, "gender": gender, "speaker": "af_heart"}
        for locale in locales
        for gender in ("female", "male")
    ]
    model = {**GOOD["speakers"], "spec": {**GOOD["speakers"]["spec"], "voices": voices}}
    job = {**GOOD["job"], "spec": {**GOOD["job"]["spec"], "avatars": {"locales": locales}}}
    for document in (model, job):
        client.create(document, dry_run=True)
    voices.append({"locale": "zz", "gender": "male", "speaker": "af_heart"})
    assert "must have at most 200 items" in refusal(client.create, model, dry_run=True)


@pytest.mark.parametrize("locale", ["fr-FR", "fr-fr", "es-419", "zh-Hant-TW", "ca-ES-valencia", "eo"])
def test_crd_accepts_a_locale_of_any_language(client: Client, locale: str) -> None:
    case = CASES["Case"]("speakers", {"spec.voices.0.locale": locale}, "")
    client.create(case.resource, dry_run=True)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("voice", "A speech model and its voices"),
        ("voice.spec.voices.reference.consent", "Proof that the speaker agreed to be cloned"),
        ("voice.spec.quantization", "fp16"),
        ("voice.spec.resources.cpu", "CPU cores"),
        ("voice.status.download.percent", "in per cent"),
        ("tm.spec.contextLength", "Tokens that a prompt and its answer may have together"),
        ("ttsj.spec.output.nameTemplate", "Name of a file, without extension"),
        ("ttsj.status.progress.skipped", "before the job began"),
        ("pg.spec.whenEmpty", "removed with its last model"),
        ("pg.spec.scheduling", "nothing else of a pod can be set"),
    ],
)
def test_kubectl_explain_describes_a_field(client: Client, path: str, says: str) -> None:
    reported = " ".join(client.kubectl("explain", path).split())
    assert says in reported
    assert "<empty>" not in reported


READY = {
    "type": "Ready",
    "status": "False",
    "reason": "ImageCannotBePulled",
    "message": "No such image.",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
PROGRESS = {"total": 8, "done": 3, "failed": 1, "skipped": 0, "percent": 50, "summary": "3/8"}
MODELS = {"total": 2, "ready": 1, "summary": "1/2"}


@pytest.mark.parametrize(
    ("good", "status", "columns"),
    [
        (
            "speakers",
            {"conditions": [READY], "readyReplicas": 1, "avatars": 2, "locales": ["en-US"]},
            ["speakers", "playground", "kokoro", "False", "ImageCannotBePulled", "1", "2"],
        ),
        (
            "text",
            {"conditions": [READY], "readyReplicas": 1},
            ["text", "playground", "transformers", "False", "ImageCannotBePulled", "1", "4096"],
        ),
        ("job", {"phase": "Running", "progress": PROGRESS}, ["job", "Running", "3/8", "1"]),
        (
            "playground",
            {"conditions": [READY], "url": "http://playground", "models": MODELS},
            ["playground", "False", "ImageCannotBePulled", "1/2", "http://playground"],
        ),
    ],
)
def test_kubectl_get_shows_the_status_columns(
    client: Client, good: str, status: dict[str, Any], columns: list[str]
) -> None:
    document = GOOD[good]
    short_name = KINDS[document["kind"]].short_name
    try:
        client.apply(document)
        client.merge_status(document, status)
        row = client.kubectl("get", short_name, "--no-headers").split()
        assert row[:-1] == columns, "and the age"
        assert client.get(document)["status"] == status
        assert f"/{good}\n" in client.kubectl("get", "tts", "--output=name")
        # Whoever applies the resource again leaves the status alone, and a status makes no new generation.
        client.apply(document)
        assert client.get(document)["status"] == status
        assert client.get(document)["metadata"]["generation"] == 1
    finally:
        client.delete(document)


@pytest.mark.parametrize(
    ("good", "status", "says"),
    [
        ("job", {"phase": "Bored"}, 'Unsupported value: "Bored"'),
        ("job", {"progress": {"percent": 101}}, "status.progress.percent: Invalid value"),
        ("speakers", {"conditions": [{**READY, "status": "Perhaps"}]}, 'Unsupported value: "Perhaps"'),
        ("speakers", {"conditions": [{"type": "Ready"}]}, "lastTransitionTime: Required value"),
    ],
)
def test_crd_refuses_a_wrong_status(client: Client, good: str, status: Any, says: str) -> None:
    try:
        client.apply(GOOD[good])
        assert says in refusal(client.merge_status, GOOD[good], status)
    finally:
        client.delete(GOOD[good])
