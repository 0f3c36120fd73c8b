"""Tests of monai_unlearnable; a regular package, so that no installed ``tests`` can shadow it."""
