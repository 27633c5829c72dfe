-- A file of the original system, after 0001: its rows move in, and its tables go.
--
-- It stored times as text or as seconds, and let source, category and metadata be NULL. Two rows that
-- become one entry that way become two revisions of it, the one updated last on top.
CREATE TEMP TABLE adopted AS
WITH timed AS (
    SELECT
        rowid AS id,
        coalesce(CAST(source AS TEXT), 'user') AS source,
        coalesce(CAST(category AS TEXT), 'general') AS category,
        coalesce(CAST(key AS TEXT), '') AS key,
        coalesce(CAST(value AS TEXT), '') AS value,
        CASE
            WHEN metadata IS NULL OR metadata = '' THEN '{}'
            WHEN NOT json_valid(CAST(metadata AS TEXT))
                THEN json_object('metadata', CAST(metadata AS TEXT))
            WHEN json_type(CAST(metadata AS TEXT)) = 'object' THEN CAST(metadata AS TEXT)
            ELSE json_object('metadata', json(CAST(metadata AS TEXT)))
        END AS metadata,
        CASE
            WHEN typeof(created_at) IN ('integer', 'real') THEN
                -- Milliseconds when seconds would lie past the year 5000.
                CAST(iif(created_at > 1e11, created_at, created_at * 1000) AS INTEGER)
            ELSE CAST(unixepoch(created_at, 'subsec') * 1000 AS INTEGER)
        END AS created,
        CASE
            WHEN typeof(updated_at) IN ('integer', 'real') THEN
                CAST(iif(updated_at > 1e11, updated_at, updated_at * 1000) AS INTEGER)
            ELSE CAST(unixepoch(updated_at, 'subsec') * 1000 AS INTEGER)
        END AS updated
    FROM original_knowledge
)
SELECT
    id, source, category, key, value, metadata,
    coalesce(created, updated, CAST(unixepoch('subsec') * 1000 AS INTEGER)) AS created_at,
    coalesce(updated, created, CAST(unixepoch('subsec') * 1000 AS INTEGER)) AS updated_at,
    row_number() OVER (
        PARTITION BY source, category, key ORDER BY coalesce(updated, created, 0), id
    ) AS revision,
    count(*) OVER (PARTITION BY source, category, key) AS revisions
FROM timed;

INSERT INTO knowledge
    (id, source, category, key, value, metadata, revision, first_revision, created_at, updated_at)
SELECT id, source, category, key, value, metadata, revision, 1, created_at, updated_at
FROM adopted WHERE revision = revisions ORDER BY id;

INSERT INTO knowledge_history
    (source, category, key, revision, value, metadata, tags, updated_at)
SELECT source, category, key, revision, value, metadata, '[]', updated_at
FROM adopted WHERE revision < revisions;

DROP TABLE adopted;

INSERT INTO search_cache (query, results, created_at)
SELECT CAST(query AS TEXT), coalesce(CAST(results AS TEXT), '[]'),
    coalesce(
        CASE
            WHEN typeof(created_at) IN ('integer', 'real') THEN
                CAST(iif(created_at > 1e11, created_at, created_at * 1000) AS INTEGER)
            ELSE CAST(unixepoch(created_at, 'subsec') * 1000 AS INTEGER)
        END,
        CAST(unixepoch('subsec') * 1000 AS INTEGER))
FROM original_search_cache WHERE query IS NOT NULL
ON CONFLICT (query) DO NOTHING;

DROP TABLE original_knowledge;
DROP TABLE original_search_cache;
