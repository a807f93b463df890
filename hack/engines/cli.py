"""The command line: `python hack/engines --help`."""

import argparse
import os
import subprocess
import sys

from engines.contracts import contracts, to_run
from engines.run import passed, passes


def main() -> int:
    """Run the command line and return the exit status."""
    known = {contract.engine: contract for contract in contracts()}
    parser = argparse.ArgumentParser(
        prog="python hack/engines",
        description="Test engines against their real packages: each in an environment of its own, which is "
        "built for the test and removed afterwards.",
    )
    parser.add_argument("engine", nargs="*", help=f"of {', '.join(known)}; all by default")
    parser.add_argument(
        "--changed",
        action="store_true",
        help="leave out engines with another torch whose files have not changed since they passed; "
        "TTSP_TEST_ALL=1 leaves out none",
    )
    options = parser.parse_args()
    if unknown := set(options.engine) - set(known):
        parser.error(f"no contract test of {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    asked = [contract for name, contract in known.items() if not options.engine or name in options.engine]
    chosen = asked
    if options.changed and os.environ.get("TTSP_TEST_ALL") != "1":
        chosen = to_run(asked, passed(asked))
    for contract in asked:
        if contract not in chosen:
            print(f"{contract.engine}: left out, for nothing that it covers has changed since it passed")
    failed = []
    for contract in chosen:
        print(f"{contract.engine}: building its environment", flush=True)
        try:
            if not passes(contract):
                failed.append(f"{contract.engine}: its test failed")
        except subprocess.CalledProcessError as error:
            failed.append(f"{contract.engine}: its environment cannot be built ({error})")
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0
