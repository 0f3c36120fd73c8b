"""WHAT leaves the house? Protected files with a public manifest, and the owner's private ledger."""

from monai_unlearnable.release.budget import ReleaseBudget
from monai_unlearnable.release.budgets import ReleaseBudgets
from monai_unlearnable.release.ledger import Ledger, LedgerContent, hold_ledger, read_ledger
from monai_unlearnable.release.manifest import MANIFEST_NAME, Manifest, ManifestFields, ManifestFile, read_manifest
from monai_unlearnable.release.options import ReleaseOptions
from monai_unlearnable.release.plan import plan_release
from monai_unlearnable.release.planned import ReleasePlan
from monai_unlearnable.release.report import Failure, RestoreReport, VerifyReport
from monai_unlearnable.release.restore import restore_release
from monai_unlearnable.release.verify import verify_release
from monai_unlearnable.release.writer import write_release

__all__ = [
    "MANIFEST_NAME",
    "Failure",
    "Ledger",
    "LedgerContent",
    "Manifest",
    "ManifestFields",
    "ManifestFile",
    "ReleaseBudget",
    "ReleaseBudgets",
    "ReleaseOptions",
    "ReleasePlan",
    "RestoreReport",
    "VerifyReport",
    "hold_ledger",
    "plan_release",
    "read_ledger",
    "read_manifest",
    "restore_release",
    "verify_release",
    "write_release",
]
