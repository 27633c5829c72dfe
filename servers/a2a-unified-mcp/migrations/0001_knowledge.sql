-- Times are milliseconds since 1970-01-01 UTC. Never edit this file after a release: add another.

-- What is known now. The last revision of an entry is here, the earlier ones in knowledge_history.
CREATE TABLE knowledge (
    -- Never used again (AUTOINCREMENT), so that a cursor stays true when entries go.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    category TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision > 0),
    -- The revision that this life of the entry began with: not 1 when it was deleted before.
    first_revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The entry is gone from this time on, whether it was swept or not.
    expires_at INTEGER,
    -- A JSON array of different texts, sorted.
    tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),
    -- A JSON object. What may be long comes last: reading past it takes time.
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    value TEXT NOT NULL,
    -- Words within the words of the entry, for the full-text index.
    parts TEXT NOT NULL DEFAULT '',
    UNIQUE (source, category, key)
) STRICT;

CREATE INDEX knowledge_category ON knowledge (category, id);
CREATE INDEX knowledge_updated_at ON knowledge (updated_at);
CREATE INDEX knowledge_expires_at ON knowledge (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE knowledge_tag (
    tag TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX knowledge_tag_id ON knowledge_tag (id);

-- Revisions that were replaced, and a row without a value for each time an entry was deleted.
CREATE TABLE knowledge_history (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    category TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value TEXT,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    -- When this revision was written, or the entry deleted.
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    UNIQUE (source, category, key, revision)
) STRICT;

-- What changed, in the order of the commits: by it each process sees what the others wrote.
CREATE TABLE knowledge_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    category TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

-- Results of searches, so that they are warm after a restart.
CREATE TABLE search_cache (
    query TEXT PRIMARY KEY,
    results TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE VIRTUAL TABLE knowledge_fts USING fts5 (
    key, value, category, tags, parts,
    content = 'knowledge', content_rowid = 'id',
    -- Marks belong to words: without them those of India fall apart.
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);

-- The words of the index, to find the one that was meant.
CREATE VIRTUAL TABLE knowledge_word USING fts5vocab (knowledge_fts, 'row');

CREATE TRIGGER knowledge_inserted AFTER INSERT ON knowledge BEGIN
    INSERT INTO knowledge_fts (rowid, key, value, category, tags, parts)
    VALUES (NEW.id, NEW.key, NEW.value, NEW.category, NEW.tags, NEW.parts);
    INSERT INTO knowledge_tag (tag, id) SELECT DISTINCT value, NEW.id FROM json_each(NEW.tags);
    INSERT INTO knowledge_change (source, category, key, revision)
    VALUES (NEW.source, NEW.category, NEW.key, NEW.revision);
END;

-- What only the index needs is no new revision.
CREATE TRIGGER knowledge_parts_updated AFTER UPDATE ON knowledge WHEN OLD.revision = NEW.revision BEGIN
    INSERT INTO knowledge_fts (knowledge_fts, rowid, key, value, category, tags, parts)
    VALUES ('delete', OLD.id, OLD.key, OLD.value, OLD.category, OLD.tags, OLD.parts);
    INSERT INTO knowledge_fts (rowid, key, value, category, tags, parts)
    VALUES (NEW.id, NEW.key, NEW.value, NEW.category, NEW.tags, NEW.parts);
END;

CREATE TRIGGER knowledge_updated AFTER UPDATE ON knowledge WHEN OLD.revision <> NEW.revision BEGIN
    INSERT INTO knowledge_history
        (source, category, key, revision, value, metadata, tags, updated_at, expires_at)
    VALUES (OLD.source, OLD.category, OLD.key, OLD.revision, OLD.value, OLD.metadata, OLD.tags,
        OLD.updated_at, OLD.expires_at);
    INSERT INTO knowledge_fts (knowledge_fts, rowid, key, value, category, tags, parts)
    VALUES ('delete', OLD.id, OLD.key, OLD.value, OLD.category, OLD.tags, OLD.parts);
    INSERT INTO knowledge_fts (rowid, key, value, category, tags, parts)
    VALUES (NEW.id, NEW.key, NEW.value, NEW.category, NEW.tags, NEW.parts);
    DELETE FROM knowledge_tag WHERE id = OLD.id AND OLD.tags <> NEW.tags;
    INSERT INTO knowledge_tag (tag, id)
    SELECT DISTINCT value, NEW.id FROM json_each(NEW.tags) WHERE OLD.tags <> NEW.tags;
    INSERT INTO knowledge_change (source, category, key, revision)
    VALUES (NEW.source, NEW.category, NEW.key, NEW.revision);
END;

CREATE TRIGGER knowledge_deleted AFTER DELETE ON knowledge BEGIN
    INSERT INTO knowledge_history
        (source, category, key, revision, value, metadata, tags, updated_at, expires_at)
    VALUES (OLD.source, OLD.category, OLD.key, OLD.revision, OLD.value, OLD.metadata, OLD.tags,
        OLD.updated_at, OLD.expires_at);
    -- What expired was gone at that time, not when it was swept. With NULL, min() is NULL.
    INSERT INTO knowledge_history
        (source, category, key, revision, value, metadata, tags, updated_at, expires_at)
    VALUES (OLD.source, OLD.category, OLD.key, OLD.revision + 1, NULL, '{}', '[]',
        coalesce(
            min(OLD.expires_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
            CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        NULL);
    INSERT INTO knowledge_fts (knowledge_fts, rowid, key, value, category, tags, parts)
    VALUES ('delete', OLD.id, OLD.key, OLD.value, OLD.category, OLD.tags, OLD.parts);
    DELETE FROM knowledge_tag WHERE id = OLD.id;
    INSERT INTO knowledge_change (source, category, key, revision)
    VALUES (OLD.source, OLD.category, OLD.key, OLD.revision + 1);
END;

-- Models whose vectors are or were kept. The newest row is the one in use: vectors of others are not
-- compared with anything, and go as their entries are embedded again.
CREATE TABLE embedding_model (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    dimension INTEGER NOT NULL CHECK (dimension > 0)
) STRICT;

-- A vector for each chunk of an entry's text. A table with rowids: a row of one without may keep
-- 1002 bytes on a page of 4 KiB and would take another for the rest (https://sqlite.org/fileformat2.html,
-- 1.6), which for 384 dimensions is 4.6 KB a vector instead of 2.
CREATE TABLE embedding (
    id INTEGER PRIMARY KEY,
    -- knowledge.id
    entry INTEGER NOT NULL,
    model INTEGER NOT NULL,
    -- From 0, without gaps.
    chunk INTEGER NOT NULL,
    -- 32-bit floats, little-endian, of length 1.
    vector BLOB NOT NULL,
    UNIQUE (entry, model, chunk)
) STRICT;

-- Entries that have no vectors of their present text.
CREATE TABLE embedding_job (
    entry INTEGER PRIMARY KEY,
    -- 'failed' is not tried again before the text or the model changes, or a process starts.
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'failed')),
    -- Failures so far.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Nobody else takes it before this time: it is being embedded, or failed a short while ago.
    leased_until INTEGER NOT NULL DEFAULT 0,
    -- A random number for each time that entries are taken. A change of the text removes it, so who
    -- still has the lease has embedded the present text.
    lease INTEGER
) STRICT;

-- Entries that got or lost vectors, in the order of the commits.
CREATE TABLE embedding_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL
) STRICT;

CREATE TRIGGER knowledge_inserted_embedding AFTER INSERT ON knowledge BEGIN
    INSERT INTO embedding_job (entry) VALUES (NEW.id);
END;

-- Whether metadata or expiry change does not matter to what an entry means.
CREATE TRIGGER knowledge_updated_embedding AFTER UPDATE ON knowledge
WHEN OLD.value <> NEW.value OR OLD.tags <> NEW.tags OR OLD.key <> NEW.key
    OR OLD.category <> NEW.category
BEGIN
    DELETE FROM embedding WHERE entry = NEW.id;
    INSERT INTO embedding_job (entry) VALUES (NEW.id)
    ON CONFLICT (entry) DO UPDATE SET
        state = 'pending', attempts = 0, leased_until = 0, lease = NULL;
END;

CREATE TRIGGER knowledge_deleted_embedding AFTER DELETE ON knowledge BEGIN
    DELETE FROM embedding WHERE entry = OLD.id;
    DELETE FROM embedding_job WHERE entry = OLD.id;
END;

CREATE TRIGGER embedding_inserted AFTER INSERT ON embedding WHEN NEW.chunk = 0 BEGIN
    INSERT INTO embedding_change (entry) VALUES (NEW.entry);
END;

CREATE TRIGGER embedding_deleted AFTER DELETE ON embedding WHEN OLD.chunk = 0 BEGIN
    INSERT INTO embedding_change (entry) VALUES (OLD.entry);
END;
