"""Reports as short texts for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from monai_unlearnable.audit import AuditReport
from monai_unlearnable.audit.extra_wording import extra_sentences
from monai_unlearnable.audit.wording import best_adversary_sentences
from monai_unlearnable.release import Failure, RestoreReport, VerifyReport
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows.radii import describe_radii
from monai_unlearnable.workflows.report import Outcome, ProtectReport

__all__ = ["describe_audit", "describe_protection", "describe_restoration", "describe_verification"]

_MOST_FAILURES_SHOWN = 20
_MOST_NOTICES_SHOWN = 5
_MOST_IGNORED_SHOWN = 20
_MOST_CLASSES_SHOWN = 10


def describe_protection(report: ProtectReport, release: Path, ledger: Path) -> str:
    """Say what was protected, how far the images changed, and what to keep private."""
    radius = f"{report.radius_given} = {describe_radii(report.radii, norm=report.norm)}"
    time = f"{report.seconds:.0f} s{' (resumed)' if report.resumed else ''}"
    lines = [f"{report.images} images protected with {report.method}, radius {radius}, in {time}"]
    if report.converted:
        lines.append(f"{report.converted} files were written in another format (JPEG and BMP as PNG, .mhd as .mha)")
    if report.surrogate_error is not None and report.method == "error_minimizing":
        lines.append(
            f"surrogate error on the protected images: {report.surrogate_error:.1%} after {report.passes} passes"
        )
    lines += [
        *_labels(report.class_counts),
        *_outcomes(report),
        describe_verification(report.verification, release),
        *_notices(report.notices),
        f"release: {release}   (share this)",
        f"ledger:  {ledger}   (keep private: it takes the deltas off)",
    ]
    return "\n".join(lines)


def describe_verification(report: VerifyReport, release: Path) -> str:
    """Say what was proved and what does not hold."""
    if report.mode == "owner":
        proof = (
            f"{report.pixels_held} of {report.pixels} pixels inside the budget and equal to original plus delta; "
            f"largest change {report.largest_delta_levels} levels"
        )
    else:
        proof = "checksums and contents only; give the ledger to prove every pixel"
    word = "verified" if report.held else "NOT VERIFIED"
    return "\n".join([f"{word}: {report.files} files, {report.images} images: {proof}", *_failures(report.failures)])


def describe_restoration(report: RestoreReport, output: Path) -> str:
    """Say what was restored and what could not be."""
    word = "restored" if report.held else "NOT ALL RESTORED"
    lines = [f"{word}: {len(report.files)} files, {report.images} images, bit for bit, in {output}"]
    if report.converted:
        lines.append(
            f"{len(report.converted)} of them were JPEG, BMP or .mhd: their decoded pixels are restored, as PNG or .mha"
        )
    if report.identical:
        lines.append(f"{len(report.identical)} of them are the source's files byte for byte")
    return "\n".join([*lines, *_failures(report.failures)])


def describe_audit(report: AuditReport, output: Path) -> str:
    """Return the table of victims, the checks that failed, and where the report lies."""
    blind = "all of one" if report.task is Task.SEGMENTATION else "majority"
    width = max(16, *(len(one.recipe.name) + 1 for one in report.outcomes))
    lines = [f"{'victim':<{width}}{'released':>22}{'clean baseline':>22}{blind:>12}  verdict"]
    for one in report.outcomes:
        released, clean = [run.score for run in one.released], [run.score for run in one.clean]
        lines.append(
            f"{one.recipe.name:<{width}}{_spread(released):>22}{_spread(clean):>22}"
            f"{one.majority:>12.3f}  {one.verdict.value}"
        )
    lines += [*best_adversary_sentences(report), *extra_sentences(report)]
    fidelity = report.fidelity
    if fidelity.max_abs_levels and fidelity.psnr_db and fidelity.ssim:
        lines.append(
            f"largest change {fidelity.max_abs_levels.maximum:g} levels, median PSNR {fidelity.psnr_db.median:.1f} dB, "
            f"median SSIM {fidelity.ssim.median:.3f}"
        )
    lines.append(f"tested on {report.counts['tested_on']} clean images ({report.test_origin}), {len(released)} seeds")
    lines += [f"CHECK FAILED: {one.name}: {one.detail}" for one in report.checks if not one.held]
    lines += [f"report: {output / 'audit.html'}", f"figures: {output / 'audit.json'}"]
    return "\n".join(lines)


def _spread(scores: Sequence[float]) -> str:
    return f"{mean(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})"


def _failures(failures: Sequence[Failure]) -> list[str]:
    shown = [f"  FAILED {one}" for one in failures[:_MOST_FAILURES_SHOWN]]
    more = len(failures) - len(shown)
    return [*shown, *([f"  ... and {more} more"] if more else [])]


def _labels(counts: Mapping[str, int]) -> list[str]:
    """Name the classes, the first of them."""
    shown = [f"{name} ({count})" for name, count in list(counts.items())[:_MOST_CLASSES_SHOWN]]
    more = len(counts) - len(shown)
    return [f"labels: {', '.join(shown)}{f' and {more} more' if more else ''}"] if shown else []


def _outcomes(report: ProtectReport) -> list[str]:
    """Say how many files became what, and name each that is not in the release."""
    groups = {one: [file for file in report.outcomes if file.outcome is one] for one in Outcome}
    counts = [f"{len(files)} {one.value}" for one, files in groups.items() if files]
    lines = [f"files of the source: {', '.join(counts)}"] if counts else []
    lines += [f"  SKIPPED {one.file}: {one.reason}" for one in groups[Outcome.SKIPPED]]
    ignored = groups[Outcome.IGNORED]
    lines += [f"  left out {one.file}: {one.reason}" for one in ignored[:_MOST_IGNORED_SHOWN]]
    more = len(ignored) - _MOST_IGNORED_SHOWN
    return [*lines, *([f"  ... and {more} more left out (--json lists them all)"] if more > 0 else [])]


def _notices(notices: Sequence[str]) -> list[str]:
    more = len(notices) - _MOST_NOTICES_SHOWN
    shown = [f"note: {one}" for one in notices[:_MOST_NOTICES_SHOWN]]
    return [*shown, *([f"note: and {more} more (--json lists them all)"] if more > 0 else [])]
