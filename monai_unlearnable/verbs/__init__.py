"""What each verb of the command line does with its options."""

__all__: list[str] = []
