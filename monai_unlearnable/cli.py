"""The command line: thin; every verb runs a workflow that Python users can call too.

Exit codes: 0, all held. 1, something did not: a file cannot be read or written, a check failed, the surrogate diverged,
the run was interrupted, or the ledger belongs to another run. 2, wrong usage, found before anything is computed: an
unknown option, a value that is not understood or that these images do not allow (a radius below one level), a path that
is missing, lies inside another one or holds something already. Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Sequence

from monai_unlearnable.verbs.options import UsageError, build_parser

__all__ = ["build_parser", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; those of the process by default.

    Returns:
        0 when all held, 1 when something did not, 2 for wrong usage.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no text that the terminal can show
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _answer(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read what is printed has left (`... --json | head`); Python would try to flush again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _answer(words: Sequence[str]) -> int:
    try:
        options = build_parser().parse_args(words)
        return _run(options)
    except UsageError as error:
        print(error.usage, file=sys.stderr)
        return _fail(error.message, words, code=2)
    except KeyboardInterrupt:
        return _fail("interrupted; give the same command again to go on.", words, code=1)


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # An engine logs an error before it raises it; what is raised is shown once, below.
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    # And pydicom logs a traceback for each codec that refuses a file before the next one is asked.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    # Loading torch and MONAI takes seconds: --help and misspelt options should not wait for it.
    from monai_unlearnable.errors import UnlearnableError
    from monai_unlearnable.verbs.audit import run_audit
    from monai_unlearnable.verbs.owner import run_restore, run_verify
    from monai_unlearnable.verbs.protect import run_protect

    verbs = {"protect": run_protect, "verify": run_verify, "restore": run_restore, "audit": run_audit}
    try:
        return verbs[options.verb](options, options.parser)
    except BrokenPipeError:
        raise
    except (UnlearnableError, OSError) as error:
        return _fail(str(error), ["--json"] if options.json else [], code=1, verb=options.verb)
    except MemoryError:
        return _fail("out of memory.", ["--json"] if options.json else [], code=1, verb=options.verb)


def _fail(message: str, words: Sequence[str], *, code: int, verb: str = "") -> int:
    print(f"monai-unlearnable{f' {verb}' if verb else ''}: {'usage: ' if code == 2 else ''}{message}", file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"held": False, "error": message}))
    return code


if __name__ == "__main__":
    sys.exit(main())
