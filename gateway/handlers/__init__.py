"""Where events go besides subscriptions: one kind of handler a module."""
