"""The daemon itself: its database, its socket and its log."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from gateway.metrics.series import BURST, LATENCY, Histogram, Live

PURGED: Final = ("texts", "messages", "inbound", "threads", "keys", "events")


class OfDaemon:
    """The series that tell of the daemon and what it runs on."""

    def __init__(self, r: CollectorRegistry) -> None:
        self.transaction = Histogram(
            "smsgw_store_transaction_seconds", "Time of a transaction, sync to disk included.", None, LATENCY
        )
        self.burst = Histogram("smsgw_store_burst_rows", "Rows written by a transaction.", None, BURST)
        self.store_state = Live(
            "smsgw_store_healthy", "1 where the database takes writes, 0 where it refuses them.", ()
        )
        self.store_failures = Live("smsgw_store_failures", "Bursts that the database refused.", (), counter=True)
        self.disk_full = Live("smsgw_disk_full", "1 where free disk is below the floor.", ())
        self.wal = Live("smsgw_store_wal_bytes", "Octets in the write-ahead log.", ())
        self.purged = Counter(
            "smsgw_purged", "What `[retention]` and `smsgw erase` removed, by kind.", ["what"], registry=r
        )
        for what in PURGED:
            self.purged.labels(what)
        self.purge = Histogram(
            "smsgw_purge_seconds",
            "Time that a turn of `[retention]` takes of a transaction: what comes in waits so long at the most.",
            None,
            LATENCY,
        )
        self.traces_dropped = Counter(
            "smsgw_history_dropped",
            "Entries of messages' histories beyond what is kept of each.",
            registry=r,
        )
        self.tasks = Live("smsgw_tasks", "Tasks that the daemon consists of just now.", ())
        self.connections = Live("smsgw_socket_connections", "Connections to the local socket.", ())
        self.reading_stopped = Live(
            "smsgw_socket_reading_stopped",
            "Times that the reading of a connection to the local socket was stopped: by its own unanswered requests "
            "and unread output (connection), or by a full transaction (store).",
            ("cause",),
            counter=True,
        )
        self.socket_reads = Live(
            "smsgw_socket_reads", "Reads of the local socket's connections; each is handled at once.", (), counter=True
        )
        self.socket_writes = Live(
            "smsgw_socket_writes",
            "Writes on the local socket's connections; each has all that waited.",
            (),
            counter=True,
        )
        self.log_lines = Live(
            "smsgw_log_lines_dropped",
            "Log lines not written: held back by the limit of an event (suppressed), or not taken in time by who "
            "reads the log (lost).",
            ("cause",),
            counter=True,
        )
        self.build = Live("smsgw_build_info", "1, with the version.", ("version",))
        self.transaction.labels()
        self.burst.labels()
        self.purge.labels()
