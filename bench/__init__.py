"""The load lab: a fast SMSC sink, traces, a load generator and the runs that measure the daemon.

Nothing here imports the gateway, so that what it counts and decodes is the word of an independent witness.
"""
