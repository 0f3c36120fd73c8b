"""What the configurations of this bundle need besides MONAI and the package."""
