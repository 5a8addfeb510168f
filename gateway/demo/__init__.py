"""`smsgw demo`: a message from an application's socket to a simulated carrier and back, in one process.

A carrier (`gateway.simulator`), the daemon, a webhook and an application, each as in production apart from the
directory: SMPP over TCP, the unix socket, HTTP. Every step has a time and an expectation; one that does not
happen ends the demo with exit code 1.
"""

from gateway.demo.stage import run

__all__ = ["run"]
