"""This machine's access to package registries during a build: mounted as secrets, in no layer."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_MOUNTS = "/run/secrets"
CERTIFICATES = "ca.crt"
_PIP_SETTINGS = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout"}
_APT_SETTINGS = ("Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::Check-", "Acquire::Retries ")
_CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def write_secrets(folder: Path) -> dict[str, Path]:
    """Write the clients' settings and certificates into `folder`; return the files by the secrets' names."""
    certificates = _certificates(os.environ)
    has = certificates is not None
    settings = {
        "pip.conf": pip_settings(_lines(sys.executable, "-m", "pip", "config", "list"), has),
        "apt.conf": apt_settings(_lines("apt-config", "dump"), has),
    }
    for name, text in settings.items():
        (folder / name).write_text(text, encoding="utf-8")
    secrets = {name: folder / name for name in settings}
    return secrets if certificates is None else {**secrets, CERTIFICATES: certificates}


def pip_settings(listed: Iterable[str], certificates: bool) -> str:
    """Return the pip.conf of a build, from the lines of `pip config list`; later lines win, as in pip."""
    settings: dict[str, str] = {}
    for line in listed:
        name, _, value = line.partition("=")
        setting = name.rpartition(".")[2]
        if setting in _PIP_SETTINGS:
            settings[setting] = str(ast.literal_eval(value)).replace("\n", "\n  ")
    if certificates:
        settings["cert"] = f"{_MOUNTS}/{CERTIFICATES}"
    return "".join(["[global]\n", *(f"{name} = {value}\n" for name, value in settings.items())])


def apt_settings(listed: Iterable[str], certificates: bool) -> str:
    """Return the apt.conf of a build, from the lines of `apt-config dump`."""
    settings = [line for line in listed if line.startswith(_APT_SETTINGS)]
    if certificates:
        settings.append(f'Acquire::https::CaInfo "{_MOUNTS}/{CERTIFICATES}";')
    return "".join(f"{line}\n" for line in settings)


def _certificates(environment: Mapping[str, str]) -> Path | None:
    named = [Path(environment[name]) for name in _CERTIFICATE_VARIABLES if environment.get(name)]
    return next((path for path in (*named, _SYSTEM_CERTIFICATES) if path.is_file()), None)


def _lines(*command: str) -> list[str]:
    """Return the settings that a client prints; nothing where there is no such client."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
