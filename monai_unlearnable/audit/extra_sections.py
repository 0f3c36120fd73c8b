"""The parts of the HTML report about what was looked at on request; every text that comes from data is escaped here."""

from __future__ import annotations

from html import escape

from monai_unlearnable.audit.authorised_use import AuthorisedUse
from monai_unlearnable.audit.detector import Detection
from monai_unlearnable.audit.extra_wording import (
    agreement_name,
    agreement_text,
    detector_sentences,
    membership_sentence,
    use_sentence,
)
from monai_unlearnable.audit.membership import Membership, Told
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.tables import build_section, build_table
from monai_unlearnable.audit.wording import score_name, score_text, trivial_name

__all__ = ["authorised_use", "detector", "membership"]

_ABOUT_HALVES = (
    "Models are trained on one half of the images that the release has, and asked about the other half, which they "
    "have never seen; seeds take turns in which half that is. Halves are drawn image by image: where a patient has "
    "several images, they can lie on both sides."
)


def detector(report: AuditReport) -> str:
    """Show whether released files look released, and deltas like classes; nothing where nobody asked."""
    found = report.extras.detector
    if found is None:
        return ""
    text = (
        "Small networks are trained on released files and their originals of one half of the images, and asked about "
        f"the other half ({found.pairs} images in all). Small pictures are images at 32 pixels a side (volumes at 16); "
        "fine detail is each pixel of the file without the mean around it, of large images in patches. Whoever has no "
        "originals of this release cannot learn it in this way. What is both coarse and faint may be seen by larger "
        "networks only, so that a guess here is no proof that nothing can be seen."
    )
    head = ("Looked at", "Network", "AUROC", "Right", "By a guess")
    rows = [
        [one.look, one.network, f"<strong>{one.auroc:.3f}</strong>", f"{one.accuracy:.1%}", f"{one.chance:.1%}"]
        for one in found.released
    ]
    table = build_table("Released file or original? Mean over three draws of the halves", head, rows)
    said = "".join(f"<p>{escape(one)}</p>" for one in detector_sentences(found))
    return build_section("Can it be seen", f"<p>{escape(text)}</p>{said}{table}{_by_deltas(found)}")


def _by_deltas(found: Detection) -> str:
    if not found.classes:
        return ""
    rows = [
        [one.look, one.network, f"<strong>{one.accuracy:.1%}</strong>", f"{one.chance:.1%}"] for one in found.classes
    ]
    head = ("Looked at", "Network", "Right", "Most frequent class")
    return build_table("Which class, by nothing but what was added? Mean over three draws of the halves", head, rows)


def authorised_use(report: AuditReport) -> str:
    """Show what models of clean images make of released ones; nothing where nobody asked."""
    found = report.extras.authorised_use
    if found is None:
        return ""
    head = (
        "Victim, seed",
        f"{score_name(report.task)} on originals",
        "on released files",
        agreement_name(report.task).rstrip(":").capitalize(),
        trivial_name(report.task),
        "Images",
    )
    rows = [row for one in found for row in _use_rows(one)]
    table = build_table("Trained on clean originals, asked about images that were not trained on", head, rows)
    said = "".join(f"<p>{escape(use_sentence(one))}</p>" for one in found)
    text = f"Does a model that its owner trained on clean images still work on the release? {_ABOUT_HALVES}"
    return build_section("Authorised use", f"<p>{escape(text)}</p>{said}{table}")


def _use_rows(found: AuthorisedUse) -> list[list[str]]:
    task = found.task
    return [
        [
            f"{escape(found.victim)}, {seed}",
            score_text(one.on_clean, task),
            f"<strong>{score_text(one.on_released, task)}</strong>",
            agreement_text(one.agreement, task),
            score_text(one.majority, task),
            str(one.images),
        ]
        for seed, one in zip(found.seeds, found.runs, strict=True)
    ]


def membership(report: AuditReport) -> str:
    """Show how well images that were trained on are told from others; nothing where nobody asked."""
    found = report.extras.membership
    if found is None:
        return ""
    text = (
        "Can somebody who has a model tell which images it was trained on, by its loss? 0.5 is a guess and 1 is "
        "always. Asked by originals: the originals of the images that were trained on against other originals; asked "
        "by released files: the same of the released files. In brackets how many more members than others are found "
        "when every image counts as a member whose loss is at most the mean of the members (Yeom et al., 2018). "
        "Stronger ways to tell members are known, so that a guess here is no proof of privacy."
    )
    head = ("Victim, seed", "Trained on", "AUROC by originals", "AUROC by released files", "Members, others")
    rows = [row for one in found for row in _membership_rows(one)]
    said = "".join(f"<p>{escape(membership_sentence(one))}</p>" for one in found)
    table = build_table("Members are told from images of the same set that were not trained on", head, rows)
    return build_section("Membership", f"<p>{escape(text)} {escape(_ABOUT_HALVES)}</p>{said}{table}")


def _membership_rows(found: Membership) -> list[list[str]]:
    return [
        [
            f"{escape(found.victim)}, {one.seed}",
            "clean originals" if one.trained_on == "clean" else "released images",
            _told(one.seen_clean),
            _told(one.seen_released),
            f"{one.members}, {one.others}",
        ]
        for one in found.runs
    ]


def _told(told: Told) -> str:
    return f"<strong>{told.auroc:.3f}</strong> ({told.advantage:+.1%})"
