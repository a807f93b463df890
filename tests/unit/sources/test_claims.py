"""`pvc://`: folders of claims that the operator has mounted."""

from pathlib import Path

import pytest

from tts_app.resources import Source
from tts_app.sources import SourceError, fetch


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "claims"
    (folder / "models" / "kokoro").mkdir(parents=True)
    monkeypatch.setenv("TTSP_CLAIMS", str(folder))
    return folder


def test_fetch_from_a_claim_uses_its_folder_in_place(claims: Path) -> None:
    assert fetch(Source(uri="pvc://models/kokoro")) == claims / "models" / "kokoro"
    assert fetch(Source(uri="pvc://models")) == claims / "models"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("pvc://other/kokoro", "no claim 'other' is mounted"),
        ("pvc://models/absent", "has no folder 'absent'"),
        ("pvc://models/../../etc", "leads out of the claim"),
        ("pvc://../etc", "no claim's name"),
        ("pvc:///models", "no claim's name"),
    ],
)
def test_fetch_from_a_claim_names_what_is_not_there(claims: Path, uri: str, words: str) -> None:
    unchecked = Source.model_construct(uri=uri)  # the last ones are refused by its rules, too
    with pytest.raises(SourceError, match=words):
        fetch(unchecked)


def test_fetch_from_a_claim_follows_no_link_out_of_it(claims: Path, tmp_path: Path) -> None:
    (claims / "models" / "link").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="leads out"):
        fetch(Source(uri="pvc://models/link"))
