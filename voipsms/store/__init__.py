"""Everything that is kept: SQLite or a MySQL-compatible server behind one set of named statements."""
