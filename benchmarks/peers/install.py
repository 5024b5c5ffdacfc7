"""Installs the peers into a cache that git does not see; what is there already is left alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORM_SOURCES = HERE / "storm"

BYTEWAX = "bytewax==0.21.1"
PYSTORM = "pystorm==3.1.4"
NEWEST_PYTHON = (3, 12)  # Bytewax ships no wheels for a later one
DEBIAN_PACKAGES = ("default-jdk-headless", "maven")


class CannotInstallError(Exception):
    """This machine cannot have that peer; the message says why and what would help."""


@dataclass(frozen=True)
class Cache:
    """The folder that holds everything that is installed or built here."""

    folder: Path

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n", encoding="ascii")

    def venv(self, requirement: str) -> Path:
        """The interpreter of a virtual environment that has ``requirement`` (``name==version``)."""
        folder = self.folder / requirement.replace("==", "-")
        python = folder / "bin" / "python"
        done = folder / ".installed"
        if not done.exists():
            say(f"installing {requirement}")
            run([old_enough_python(), "-m", "venv", "--clear", str(folder)])
            run([str(python), "-m", "pip", "install", "--quiet", requirement])
            done.touch()
        return python

    def storm_classpath(self) -> str:
        """Storm and our components, built anew if a source is newer than the jar."""
        jar = self.folder / "storm" / "storm-peer.jar"
        if not jar.exists() or jar.stat().st_mtime < newest(storm_sources()):
            need_java()
            say("building Storm's topologies")
            maven = [
                "mvn",
                "--quiet",
                "--batch-mode",
                "-Dstyle.color=never",
                f"-Dbench.folder={self.folder}",
            ]
            run([*maven, "--file", str(STORM_SOURCES / "pom.xml"), "package"])
        return f"{jar}:{jar.parent / 'lib'}/*"


def need_java() -> None:
    """Makes sure of a JDK and Maven, from Debian's packages if they are missing."""
    if all(shutil.which(tool) for tool in ("java", "javac", "mvn")):
        return
    wanted = " ".join(DEBIAN_PACKAGES)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise CannotInstallError(f"Storm needs a JDK (17 or later) and Maven: install {wanted}")
    say(f"installing {wanted}")
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", *DEBIAN_PACKAGES])


def old_enough_python() -> str:
    """This interpreter, or an older one that the peers' packages still support."""
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for minor in (12, 11, 10):
        python = shutil.which(f"python3.{minor}")
        # A version manager's shim is on the path even where it starts nothing.
        if (
            python
            and subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0
        ):
            return python
    raise CannotInstallError("needs a Python of at most 3.12, and none was found on the path")


def storm_sources() -> list[Path]:
    bolts = (HERE / "storm_python").glob("*.py")
    return [STORM_SOURCES / "pom.xml", *(STORM_SOURCES / "src").rglob("*.*"), *bolts]


def newest(files: Sequence[Path]) -> float:
    return max(file.stat().st_mtime for file in files)


def run(command: Sequence[str]) -> None:
    """Runs one step of an installation; its output goes to stderr, its failure is an exception."""
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInstallError(f"{' '.join(command)}: {error}") from error


def say(words: str) -> None:
    """Progress, for the person who waits."""
    print(words, file=sys.stderr, flush=True)
