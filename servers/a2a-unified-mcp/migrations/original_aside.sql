-- A file of the original system, before 0001: its tables make room.
ALTER TABLE knowledge RENAME TO original_knowledge;
CREATE TABLE IF NOT EXISTS search_cache (query TEXT, results TEXT, created_at TEXT);
ALTER TABLE search_cache RENAME TO original_search_cache;
