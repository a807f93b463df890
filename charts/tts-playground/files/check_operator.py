"""Asks the operator whether it works, until it does or a minute is over: what `helm test` runs."""

import os
import ssl
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 60.0


def fetch(path: str) -> str:
    """Return what the operator serves at `path`."""
    url = os.environ["OPERATOR_URL"] + path
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the chart's own Service
        return str(response.read().decode())


def protected_trouble() -> str:
    """Return what is wrong with metrics for Prometheus alone: this pod has no token and must be refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        urllib.request.urlopen(f"{os.environ['OPERATOR_URL']}/metrics", timeout=5, context=context)  # noqa: S310
    except urllib.error.HTTPError as error:
        return "" if error.code == 401 else f"/metrics answers {error.code} to who has no token"
    except OSError as error:
        return f"{os.environ['OPERATOR_URL']} does not answer: {error}"
    return "/metrics can be read without the token"


def trouble() -> str:
    """Return what is wrong, nothing where all is well."""
    if os.environ["OPERATOR_URL"].startswith("https:"):
        return protected_trouble()
    try:
        ready, metrics = fetch("/readyz"), fetch("/metrics")
    except OSError as error:
        return f"{os.environ['OPERATOR_URL']} does not answer: {error}"
    if ready.strip() != "ok":
        return f"/readyz says {ready.strip()!r}"
    return "" if "tts_operator_leader" in metrics else "/metrics has no metric of the operator"


def main() -> int:
    """Return the exit status: 0 when all is well."""
    deadline = time.monotonic() + PATIENCE
    while problem := trouble():
        if time.monotonic() > deadline:
            sys.stderr.write(f"{problem}\n")
            return 1
        time.sleep(2)
    sys.stdout.write("The operator works, and its metrics are there for those who may read them.\n")
    return 0


sys.exit(main())
