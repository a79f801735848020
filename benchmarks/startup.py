"""How long `import graft` and `graft --help` take, beside an empty Python. Prints the median of 15 runs.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import graft": ["-c", "import graft"],
    "graft --help": ["-m", "graft", "--help"],
}


def main() -> None:
    """Time each command as a whole process, in turn, so that noise hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    empty = statistics.median(seconds["python -c pass"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:<16} {1000 * median:6.0f} ms   {median / empty:4.1f} × an empty Python")


if __name__ == "__main__":
    main()
