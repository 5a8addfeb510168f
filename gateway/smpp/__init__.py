"""SMPP 3.4 (and what is used of 5.0), sans-I/O: octets in, events out; no clock, no socket."""
