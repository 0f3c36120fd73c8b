"""``verify`` and ``restore``: read a release again, prove it, take the perturbation off."""

from __future__ import annotations

import argparse

from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.verbs.paths import refuse_missing, refuse_used_output
from monai_unlearnable.verbs.progress import ProgressBars
from monai_unlearnable.workflows.disk import errors_name
from monai_unlearnable.workflows.folders import check_writable
from monai_unlearnable.workflows.summaries import describe_restoration, describe_verification

__all__ = ["run_restore", "run_verify"]


def run_verify(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the verb; 0 when everything holds, 1 when something does not."""
    refuse_missing(parser, folder=True, RELEASE=options.release, ledger=options.ledger)
    bars = ProgressBars(quiet=options.quiet)
    report = verify_release(options.release, options.ledger, progress=bars.images("verifying"))
    print(report.to_json() if options.json else describe_verification(report, options.release))
    return 0 if report.held else 1


def run_restore(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the verb; 0 when every file was restored, 1 when one was not."""
    refuse_missing(parser, folder=True, RELEASE=options.release, ledger=options.ledger)
    refuse_used_output(parser, options.output, release=options.release, ledger=options.ledger)
    check_writable(options.output)
    bars = ProgressBars(quiet=options.quiet)
    with errors_name(options.output):
        report = restore_release(options.release, options.ledger, options.output, progress=bars.images("restoring"))
    print(report.to_json() if options.json else describe_restoration(report, options.output))
    return 0 if report.held else 1
