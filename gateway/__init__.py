"""smsgw: a self-hosted SMS gateway daemon."""
