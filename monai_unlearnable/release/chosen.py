"""Names and formats of a release as the options and the secret in its ledger want them."""

from __future__ import annotations

from monai_unlearnable.release.formats.by_name import ReleaseFormats
from monai_unlearnable.release.formats.dicom import ReleaseIdentity, UidMap, known_uids
from monai_unlearnable.release.ledger import Ledger
from monai_unlearnable.release.neutral_names import NeutralNames
from monai_unlearnable.release.options import ReleaseOptions
from monai_unlearnable.release.plan import plan_release
from monai_unlearnable.release.planned import ReleasePlan
from monai_unlearnable.sources.base import Source

__all__ = ["formats_for", "plan_for"]


def plan_for(source: Source, ledger: Ledger) -> ReleasePlan:
    """Plan the release; neutral names depend on nothing but the old ones and the ledger's secret."""
    content = ledger.read()
    if not ReleaseOptions.of(content.configuration).rename:
        return plan_release(source)
    return plan_release(source, neutral=NeutralNames(bytes.fromhex(content.uid_secret)))


def formats_for(source: Source, plan: ReleasePlan, ledger: Ledger) -> ReleaseFormats:
    """Return the formats of a plan; new DICOM UIDs depend on nothing but the old ones and the ledger's secret."""
    content = ledger.read()
    options = ReleaseOptions.of(content.configuration)
    identity = None
    if plan.dicom_files:
        identity = ReleaseIdentity(
            uids=UidMap(bytes.fromhex(content.uid_secret)),
            known=known_uids(source),
            reference_source=options.reference_source,
            drop_private=options.drop_private_tags,
        )
    return ReleaseFormats(protected_array=plan.protected_array, identity=identity, options=options)
