"""What peers need that the project does not: made once, under ``.switchboard/bench``."""

from __future__ import annotations

import hashlib
import subprocess
import venv as standard
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(".switchboard/bench/venvs")


class MissingError(Exception):
    """A contestant cannot take part; the text says what is missing."""


def venv(name: str, packages: Sequence[str]) -> Path:
    """The Python of an environment with exactly `packages`, made when it is not there yet.

    Raises:
        MissingError: the packages could not be installed.
    """
    wanted = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = (FOLDER / f"{name}-{wanted}").resolve()
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists():
        return python
    standard.create(folder, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise MissingError(f"{' '.join(packages)} could not be installed: {last}")
    stamp.touch()
    return python
