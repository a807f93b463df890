"""The top level of the repository is fixed, and so are a few things that must never be in it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = {"operator", "app", "crds", "charts", "manifests", "tests", "docker", "hack", "docs", ".ci"}
FILES = {"pyproject.toml", "Makefile", "README.md", "LICENSE", "NOTICE"}
DOT_FILES = {
    ".gitignore",
    ".gitattributes",
    ".editorconfig",
    ".pre-commit-config.yaml",
    ".dockerignore",
    ".github",
}


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_top_level_has_only_known_files_and_folders() -> None:
    top = {path.parts[0] for path in tracked()}
    assert top <= FOLDERS | FILES | DOT_FILES, f"not of the layout: {top - FOLDERS - FILES - DOT_FILES}"
    assert top >= FILES


def test_operator_is_a_folder_and_never_a_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_folder_of_modules_is_a_package() -> None:
    """Without `__init__.py` a module is imported all the same, but import-linter may not see it."""
    modules = [path for path in tracked() if path.suffix == ".py" and path.parts[0] in {"app", "operator"}]
    folders = {path.parent for path in modules}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_repository_has_no_registry_address_and_no_home_of_a_developer() -> None:
    hosts = "|".join(
        ["pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(org|com)", "deb\\.debian" + r"\.org"]
    )
    forbidden = re.compile(rf"{hosts}|/{'root'}/|/home/[a-z]")
    found = []
    for path in tracked():
        if (
            path.suffix in {".py", ".md", ".txt", ".toml", ".yaml", ".json", ".html", ""}
            and path.name != "LICENSE"
        ):
            text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
            found += [f"{path}: {match[0]}" for match in [forbidden.search(text)] if match]
    assert not found


def test_repository_has_no_lock_file_with_addresses() -> None:
    names = {"uv.lock", "poetry.lock", "pdm.lock", "package-lock.json"}
    locks = [path for path in tracked() if path.name in names]
    assert not [path for path in locks if "://" in (ROOT / path).read_text(encoding="utf-8")]
