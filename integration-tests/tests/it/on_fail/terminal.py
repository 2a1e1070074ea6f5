"""Runs a command on a terminal of its own: terminal.py STEPS COMMAND…

STEPS is JSON, pairs of a text to wait for and what is done then: a text is typed, a list is run as a command
beside, nothing hangs up. What was shown is written to standard output, and the command's exit code is this one's.
"""

import json
import os
import pty
import select
import subprocess
import sys
import time

LIMIT_S = 300
steps = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown, end, place = b"", time.monotonic() + LIMIT_S, 0
while time.monotonic() < end:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    shown += piece
    while steps and (found := shown.find(steps[0][0].encode(), place)) >= 0:
        place = found + len(steps[0][0])
        typed = steps.pop(0)[1]
        if typed is None:
            sys.stdout.buffer.write(shown)
            sys.stdout.flush()
            # Everything this terminal holds goes with it.
            os.close(terminal)
            os._exit(0)
        if isinstance(typed, list):
            subprocess.run(typed, check=True)
        else:
            os.write(terminal, typed.encode())
sys.stdout.buffer.write(shown)
sys.stdout.flush()
if steps:
    sys.exit(f"never shown: {steps[0][0]}")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
