"""Stores as older versions of the program left them."""

ALL_IN_ROWS = """
DROP TABLE entry;
CREATE TABLE entry (
    ref BLOB PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL, load INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
DROP TABLE dead;
DROP TABLE over;
ALTER TABLE list DROP COLUMN base;
ALTER TABLE list DROP COLUMN entries;
"""
"""Makes signed-list.sqlite one of before the base had a file of its own: no entry is in it yet."""
