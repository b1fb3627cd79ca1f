-- One working day: :count items, drawn at random from the :cis, are edited, half in
-- their status and half in one attribute, and each edit leaves a history row. Plain
-- UPDATE and INSERT, so PostgreSQL writes each changed row in a new place.
-- The draw depends on :day alone.

BEGIN;

CREATE TEMPORARY TABLE edit ON COMMIT DROP AS
SELECT
    id,
    row_number() OVER () AS n,
    timestamptz '2026-01-01 08:00:00+00' + :day * interval '1 day' + row_number() OVER () * interval '36000 s' / :count AS at
FROM (
    SELECT md5('ci ' || 1 + (hashint8extended(draw, :day) & 9223372036854775807) % :cis)::uuid AS id
    FROM generate_series(1, 2 * :count + 100) AS draw
    GROUP BY id
    ORDER BY min(draw)
    LIMIT :count
) AS drawn;

INSERT INTO ci_history (ci, changed, editor, field, old_value, new_value)
SELECT
    ci.id,
    edit.at,
    'discovery',
    CASE n % 2 WHEN 0 THEN 'status' ELSE 'disk_gb' END,
    CASE n % 2 WHEN 0 THEN status ELSE attributes ->> 'disk_gb' END,
    CASE WHEN n % 2 = 1 THEN ((attributes ->> 'disk_gb')::int + 10)::text WHEN status = 'live' THEN 'service' ELSE 'live' END
FROM edit JOIN ci USING (id)
ORDER BY n;

UPDATE ci SET
    status = CASE WHEN n % 2 = 1 THEN status WHEN status = 'live' THEN 'service' ELSE 'live' END,
    attributes = CASE n % 2 WHEN 0 THEN attributes
        ELSE jsonb_set(attributes, '{disk_gb}', to_jsonb((attributes ->> 'disk_gb')::int + 10)) END,
    version = version + 1,
    last_updated = edit.at
FROM edit
WHERE ci.id = edit.id;

COMMIT;
