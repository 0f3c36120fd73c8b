"""Install what the interoperability tests run and this machine lacks: ``python -m tests.interop.install``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.interop.programs import PROGRAMS, Program

# Nobody is there to answer, and a server that is only installed for tests shall not be started by its package.
_SETTINGS = ("DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")


def missing_programs(programs: Sequence[Program] = PROGRAMS) -> list[Program]:
    return [one for one in programs if one.find() is None]


def main() -> int:
    """Return 0 when every program is there, 1 when one is not and cannot be installed."""
    missing = missing_programs()
    if missing:
        print(f"installing {', '.join(_packages(missing))} ...", flush=True)
        reason = _install(missing)
        missing = [one for one in missing_programs() if not one.optional]
        if missing:
            print(_refusal(missing, reason), file=sys.stderr)
            return 1
    print("the programs of the interoperability tests are installed")
    return 0


def _install(missing: Sequence[Program]) -> str:
    """Install the packages of programs, and return why it did not work, or ''."""
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    command = _as_root()
    if command is None:
        return "apt-get needs root, and sudo without a password is not to be had"
    apt = [*command, "env", *_SETTINGS, "apt-get", "--quiet", "--yes"]
    subprocess.run([*apt, "update"], check=False, stdin=subprocess.DEVNULL)  # stale lists may do as well
    required = _packages([one for one in missing if not one.optional])
    optional = [one for one in _packages(missing) if one not in required]
    for packages in ([*required, *optional], required):  # optional ones are not packaged everywhere
        if not packages:
            return ""
        install = [*apt, "install", "--no-install-recommends", *packages]
        if subprocess.run(install, check=False, stdin=subprocess.DEVNULL).returncode == 0:
            return ""
    return "apt-get failed (its own words are above)"


def _as_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode != 0:
        return None
    return [sudo, "-n"]


def _packages(programs: Sequence[Program]) -> list[str]:
    return sorted({one.package for one in programs})


def _refusal(missing: Sequence[Program], reason: str) -> str:
    names, packages = ", ".join(one.name for one in missing), " ".join(_packages(missing))
    return (
        f"The interoperability tests need {names}, which cannot be installed here: {reason}. As root:\n"
        f"  apt-get install --no-install-recommends {packages}"
    )


if __name__ == "__main__":
    sys.exit(main())
