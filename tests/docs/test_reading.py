"""What `make docs-check` takes from a page."""

from pathlib import Path

import pytest

from tests.docs.snippets import files_of, lines_of, reading, reason_to_skip

PAGE = """# A page

    leannet count mobilenet_v2 \\
        --json

```python
# tool.py
import sys
```

```sh
python tool.py  # now
# needs a GPU
leannet train photos

leannet models
```

```python
a = 1
```

```text
leannet nothing
```

    just words
"""


def test_commands_blocks_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    lines = list(lines_of(page))
    assert [(line.number, line.text, line.is_python) for line in lines] == [
        (3, "leannet count mobilenet_v2 \\\n    --json", False),
        (12, "python tool.py  # now", False),
        (14, "leannet train photos  # needs a GPU", False),
        (16, "leannet models", False),
        (20, "a = 1", True),
    ]
    assert [reason_to_skip(line) for line in lines] == ["", "", "needs a GPU", "", ""]
    assert files_of(page) == {"tool.py": "# tool.py\nimport sys\n"}
