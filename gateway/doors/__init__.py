"""Ways in for applications: the local socket."""
