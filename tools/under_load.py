"""The tests on a busy machine: `python tools/under_load.py [N] [PYTEST OPTIONS]`

Runs `pytest` N times (3 when not said) while two busy loops for each core take what they can get. Tests wait for events and not
for time, so that each run passes. Exit 1 if one does not. Loops and tests end with this program.
"""
import os, signal, subprocess, sys, time
from contextlib import suppress
from pathlib import Path

LOOP = 'import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass'

def main(n, options):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loops = [subprocess.Popen([sys.executable, '-c', LOOP]) for _ in range(2*cores)]
    codes = []
    try:
        for i in range(n):
            begun = time.monotonic()
            tests = subprocess.Popen([sys.executable, '-m', 'pytest', *options], cwd=Path(__file__).parent.parent, process_group=0)
            codes.append(tests.wait())
            print(f'run {i + 1} of {n} beside {len(loops)} busy loops: {"failed" if codes[-1] else "passed"} in {time.monotonic() - begun:.0f} s', flush=True)
    finally:
        for o in loops: o.kill(); o.wait()
        with suppress(ProcessLookupError): os.killpg(tests.pid, signal.SIGKILL)  # and its workers
    sys.exit(any(codes))

if __name__ == '__main__':
    first, options = sys.argv[1:2], sys.argv[2:]
    if first and not first[0].isdigit(): first, options = [], sys.argv[1:]
    main(int(*first or [3]), options)
