"""Options of an audit's configuration that only the audit itself understands."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.audit.suites import SUITES
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.workflows.bundle_options import refuse

__all__ = ["check_audit"]


def check_audit(*, suite: str | None, countermeasures: Sequence[str], extras: Sequence[str]) -> None:
    """End the process with status 2 and one line for each option that is not understood.

    Args:
        suite: name of one of :data:`~monai_unlearnable.audit.suites.SUITES`, or None.
        countermeasures: each one of :data:`~monai_unlearnable.audit.adversaries.COUNTERMEASURES`.
        extras: each one of :class:`~monai_unlearnable.audit.extras.Extra`.
    """
    faults = []
    if suite is not None and suite not in SUITES:
        faults.append(f"--suite: {suite!r} is none of {', '.join(SUITES)}.")
    lists = {"countermeasures": countermeasures, "extras": extras}
    single = [name for name, value in lists.items() if isinstance(value, str)]
    faults += [f"--{name}: {lists[name]!r} is no list; write \"['{lists[name]}']\"." for name in single]
    if not single:
        faults += [fault for text in countermeasures if (fault := _misunderstood(text))]
        known = [one.value for one in Extra]
        faults += [f"--extras: {one!r} is none of {', '.join(known)}." for one in extras if one not in known]
    if faults:
        refuse(faults)


def _misunderstood(text: str) -> str:
    try:
        adversary_of(VictimRecipe(), text)
    except ValueError as error:
        return f"--countermeasures: {error}"
    return ""
