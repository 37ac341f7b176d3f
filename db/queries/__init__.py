"""Questions to the database, and the few ways to write; the caller commits."""
