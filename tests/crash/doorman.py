"""`doorman.py SOCKET MODULE ARGUMENTS…`: has the nursery fork a process into our process group, and ends as that one ends.

It is started for each process, so it imports next to nothing.
"""

import json
import os
import signal
import socket
import sys


def main(address: str, module: str, *arguments: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # The whole group gets them; when to end is the process's affair.
    handed_down = [descriptor for descriptor in range(3, 64) if _is_open(descriptor)]
    asked = {
        "module": module,
        "arguments": arguments,
        "environment": dict(os.environ),
        "group": os.getpgrp(),
    }
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(address)
        socket.send_fds(nursery, [json.dumps(asked).encode()], [sys.stdout.fileno(), *handed_down])
        for descriptor in handed_down:
            os.close(descriptor)
        ended = nursery.recv(64)
    if not ended:
        sys.exit("The nursery is gone.")
    code = int(ended)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
