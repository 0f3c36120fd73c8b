"""The command line as ``python -m monai_unlearnable`` runs it, but for DICOM UIDs that are the same in every run."""

import runpy

from tests.campaign.forks import use_one_uid_secret

use_one_uid_secret()
runpy.run_module("monai_unlearnable", run_name="__main__", alter_sys=True)
