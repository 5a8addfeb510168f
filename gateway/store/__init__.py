"""The only door to the database: schema, hot statements, the writer with its group commit, and paged reads."""
