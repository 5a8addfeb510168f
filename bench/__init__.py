"""The load lab: a fast SMSC sink, traces, a load generator and the runs that measure the daemon.

Nothing that counts or decodes imports the gateway, so that it is the word of an independent witness. What does is said
in README.md.
"""
