"""Small books to build: a configuration, a few pages, invented records."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
HEAD = f"import sys\nsys.path.insert(0, {str(CONF)!r})\n"


@dataclass
class Book:
    """A project of one folder, built by a Sphinx of its own."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def configure(self, *extensions: str, more: str = "") -> None:
        self.write("conf/conf.py", f"{HEAD}extensions = {list(extensions)}\n{more}\n")

    def build(self, *options: str) -> subprocess.CompletedProcess:
        command = [
            sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", "-n",
            "-c", "conf", "-d", "doctrees", *options, "book", "html",
        ]  # fmt: skip
        return subprocess.run(
            command, cwd=self.folder, env={**os.environ, **self.environ},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def page(self, name: str = "index") -> str:
        return (self.folder / "html" / f"{name}.html").read_text(encoding="utf-8")
