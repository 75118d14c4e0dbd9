from __future__ import annotations

import subprocess
import sys

from windtunnel.harness.stack.usage import cpu_seconds

BURN = """
import subprocess, sys, time
seconds, then = float(sys.argv[1]), sys.argv[2]
while time.process_time() < seconds:
    pass
if then == "family":
    subprocess.run([sys.executable, *sys.orig_argv[1:-2], "0.3", "end"], check=True)
    subprocess.run([sys.executable, *sys.orig_argv[1:-2], "0.3", "stay"], check=True)
elif then == "stay":
    print("burnt", flush=True)
    sys.stdin.read()
"""


def test_the_dead_children_and_the_living_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURN, "0.3", "family"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as family:
        assert family.stdout
        assert family.stdout.readline() == "burnt\n"
        used = cpu_seconds({"family": family.pid, "gone": 2**22 - 1})
    assert 0.9 - 0.05 <= used["family"] < 1.5  # three of them, to the tick each
    assert used["gone"] == 0.0
