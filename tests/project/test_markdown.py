from __future__ import annotations

from tests.project.markdown import blocks, commands

TEXT = """# Title

```python
one = 1
```

```bash
make demo && monai-unlearnable verify RELEASE  # a comment
monai-unlearnable protect "my data" \\
  --output release
```

1. A list:

   ```python
   if one:
       two = 2
   ```

```console
$ monai-unlearnable audit
monai-unlearnable printed this
```
"""


def test_blocks_have_language_text_and_line() -> None:
    found = list(blocks(TEXT))
    assert [block.language for block in found] == ["python", "bash", "python", "console"]
    assert found[0].text == "one = 1\n" and found[0].line == 4
    assert found[2].text == "if one:\n    two = 2\n"


def test_commands_are_split_like_a_shell_does() -> None:
    assert list(commands(blocks(TEXT))) == [
        ["make", "demo"],
        ["monai-unlearnable", "verify", "RELEASE"],
        ["monai-unlearnable", "protect", "my data", "--output", "release"],
        ["monai-unlearnable", "audit"],
    ]
