"""The SQL of PostgresStore: one statement a method, so that each is done whole or not at all.

Parameters are psycopg2's. Every moment is the server's.
"""

from detection_api.canary.state.ledger import BUCKET_SECONDS, COUNTS, MAX_SAMPLES

_COLUMNS = ", ".join(COUNTS)
_TYPED = ", ".join(f"{name} bigint" for name in COUNTS)
_ADDED = ", ".join(f"{name} = l.{name} + excluded.{name}" for name in COUNTS)
_HISTOGRAMS = ("latency", "shadow")
_NAMES = ", ".join(_HISTOGRAMS)
_MERGED = ", ".join(
    f"""{name} = (
            SELECT coalesce(jsonb_object_agg(key, n), '{{}}') FROM (
                SELECT key, sum(value::bigint) AS n FROM (
                    SELECT * FROM jsonb_each_text(l.{name})
                    UNION ALL
                    SELECT * FROM jsonb_each_text(excluded.{name})
                ) both_of GROUP BY key
            ) bins
        )"""  # noqa: S608 - put together of this package's own names
    for name in _HISTOGRAMS
)
_BINS = " UNION ALL ".join(
    f"SELECT '{name}' AS histogram, * FROM jsonb_each_text({name})"  # noqa: S608
    for name in _HISTOGRAMS
)
_SUMMED = ", ".join(f"sum({name})::bigint AS {name}" for name in COUNTS)

NOW = "SELECT clock_timestamp()"

READ = """
SELECT to_jsonb(s), NULL::jsonb FROM rollout_state s
UNION ALL
SELECT NULL, to_jsonb(d) FROM (
    SELECT * FROM canary_accepted_difference WHERE expires_at > statement_timestamp() ORDER BY id
) d
"""

WRITE = """
WITH changed AS (
    UPDATE rollout_state
    SET percent = %(percent)s, status = %(status)s, reason = %(reason)s, by = %(by)s,
        at = clock_timestamp(), epoch = epoch + 1
    WHERE endpoint = %(endpoint)s AND epoch = %(epoch)s
    RETURNING *
), added AS (
    INSERT INTO rollout_state (endpoint, percent, status, reason, by, at, epoch)
    SELECT %(endpoint)s, %(percent)s, %(status)s, %(reason)s, %(by)s, clock_timestamp(), 1
    WHERE %(epoch)s = 0
    ON CONFLICT (endpoint) DO NOTHING
    RETURNING *
), stored AS (
    SELECT * FROM changed UNION ALL SELECT * FROM added
), audited AS (
    INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence, run)
    SELECT endpoint, %(kind)s, by, reason, epoch, %(evidence)s::jsonb, %(run)s FROM stored
)
SELECT to_jsonb(stored) FROM stored
"""

APPEND = """
INSERT INTO rollout_event AS e (endpoint, kind, by, reason, epoch, evidence, run)
VALUES (%(endpoint)s, %(kind)s, %(by)s, %(reason)s, %(epoch)s, %(evidence)s::jsonb, %(run)s)
RETURNING to_jsonb(e)
"""

EVENTS = """
SELECT to_jsonb(e) FROM (
    SELECT * FROM rollout_event
    WHERE (endpoint = %(endpoint)s OR %(endpoint)s IS NULL)
        AND (run = %(run)s OR id = %(run)s OR %(run)s IS NULL)
        AND (id < %(before)s OR %(before)s IS NULL)
    ORDER BY id DESC LIMIT %(limit)s
) e
"""

# Workers share the rows of mismatches, branches and accepted differences. All lock them in the
# same order, the tables in that of this statement and the rows by key: none waits in a circle.
FLUSH = f"""
WITH fresh AS (
    INSERT INTO canary_worker AS w (worker, number, started_at, seen_at, epochs, totals, vitals)
    VALUES (
        %(worker)s, %(number)s, statement_timestamp() - make_interval(secs => %(uptime)s),
        statement_timestamp(), %(epochs)s::jsonb, %(totals)s::jsonb, %(vitals)s::jsonb
    )
    ON CONFLICT (worker) DO UPDATE
    SET number = excluded.number, started_at = excluded.started_at, seen_at = excluded.seen_at,
        epochs = excluded.epochs, totals = excluded.totals, vitals = excluded.vitals
    WHERE w.number < excluded.number
    RETURNING worker, seen_at - make_interval(secs => %(age)s) AS began
), counted AS (
    INSERT INTO canary_ledger AS l
        (bucket, worker, endpoint, arm, {_COLUMNS}, {_NAMES}, first_failed, last_failed)
    SELECT date_bin('{BUCKET_SECONDS} seconds', began, 'epoch'), worker, endpoint, arm,
        {_COLUMNS}, {_NAMES}, first_failed, last_failed
    FROM fresh, jsonb_to_recordset(%(tallies)s::jsonb) AS
        (endpoint text, arm text, {_TYPED}, latency jsonb, shadow jsonb,
            first_failed text, last_failed text)
    ORDER BY endpoint, arm
    ON CONFLICT (bucket, worker, endpoint, arm) DO UPDATE
    SET {_ADDED},
        {_MERGED},
        first_failed = coalesce(nullif(l.first_failed, ''), excluded.first_failed),
        last_failed = coalesce(nullif(excluded.last_failed, ''), l.last_failed)
), differed AS (
    INSERT INTO canary_mismatch AS m
        (endpoint, path, kind, count, accepted, first_seen, last_seen, samples)
    SELECT endpoint, path, kind, count, accepted, began, began, samples
    FROM fresh, jsonb_to_recordset(%(mismatches)s::jsonb) AS
        (endpoint text, path text, kind text, count bigint, accepted bigint, samples jsonb)
    ORDER BY endpoint, path, kind
    ON CONFLICT (endpoint, path, kind) DO UPDATE
    SET count = m.count + excluded.count, accepted = m.accepted + excluded.accepted,
        first_seen = least(m.first_seen, excluded.first_seen),
        last_seen = greatest(m.last_seen, excluded.last_seen),
        samples = jsonb_path_query_array(
            m.samples || excluded.samples, '$[0 to {MAX_SAMPLES - 1}]'
        )
), taken AS (
    INSERT INTO canary_branch AS b (endpoint, branch, count, last_seen)
    SELECT endpoint, branch, count, began
    FROM fresh, jsonb_to_recordset(%(branches)s::jsonb) AS
        (endpoint text, branch text, count bigint)
    ORDER BY endpoint, branch
    ON CONFLICT (endpoint, branch) DO UPDATE
    SET count = b.count + excluded.count, last_seen = greatest(b.last_seen, excluded.last_seen)
), locked AS (
    SELECT d.id, n, began
    FROM fresh, jsonb_to_recordset(%(acceptances)s::jsonb) AS u (id bigint, n bigint)
    JOIN canary_accepted_difference d USING (id)
    ORDER BY d.id FOR UPDATE OF d
), used AS (
    UPDATE canary_accepted_difference d
    SET used = d.used + locked.n, last_used_at = greatest(d.last_used_at, locked.began)
    FROM locked WHERE d.id = locked.id
)
SELECT worker FROM fresh
"""  # noqa: S608 - put together of this package's own names

LEDGER = f"""
WITH recent AS (
    SELECT *, date_bin(%(width)s::interval, bucket, 'epoch') AS begins FROM canary_ledger
    WHERE bucket >= coalesce(
        %(moment)s::timestamptz, statement_timestamp() - %(last)s::interval
    ) AND bucket < coalesce(%(until)s::timestamptz, 'infinity')
    AND (endpoint = %(endpoint)s OR %(endpoint)s IS NULL)
), sums AS (
    SELECT begins, endpoint, arm, {_SUMMED},
        coalesce(min(nullif(first_failed, '')), '') AS first_failed,
        coalesce(max(nullif(last_failed, '')), '') AS last_failed
    FROM recent GROUP BY begins, endpoint, arm
), bins AS (
    SELECT begins, endpoint, arm, histogram, key, sum(value::bigint) AS n
    FROM recent, LATERAL ({_BINS}) both_of GROUP BY begins, endpoint, arm, histogram, key
), histograms AS (
    SELECT begins, endpoint, arm, jsonb_object_agg(histogram, counts) AS histograms FROM (
        SELECT begins, endpoint, arm, histogram, jsonb_object_agg(key, n) AS counts
        FROM bins GROUP BY begins, endpoint, arm, histogram
    ) each_of GROUP BY begins, endpoint, arm
)
SELECT begins, endpoint, arm, to_jsonb(sums) || coalesce(histograms, '{{}}')
FROM sums LEFT JOIN histograms USING (begins, endpoint, arm)
ORDER BY begins, endpoint, arm
"""  # noqa: S608 - put together of this package's own names

USAGE = f"""
SELECT to_jsonb(u) || jsonb_build_object('tally', to_jsonb(u)) FROM (
    SELECT endpoint, arm, {_SUMMED}, min(bucket) AS since,
        max(bucket) FILTER (WHERE requests > forced) AS decided_at,
        max(bucket) FILTER (WHERE forced > 0) AS forced_at,
        max(bucket) FILTER (WHERE fallbacks > 0) AS fell_back_at
    FROM canary_ledger
    WHERE bucket >= coalesce(%(moment)s::timestamptz, statement_timestamp() - %(last)s::interval)
    GROUP BY endpoint, arm ORDER BY endpoint, arm
) u
"""  # noqa: S608 - put together of this package's own names

WORKERS = """
SELECT worker, extract(epoch FROM seen_at - started_at)::float8, epochs, totals, vitals,
    extract(epoch FROM statement_timestamp() - seen_at)::float8
FROM canary_worker WHERE seen_at > statement_timestamp() - %(silence)s ORDER BY worker
"""

MISMATCHES = """
SELECT to_jsonb(m) FROM canary_mismatch m
WHERE endpoint = %(endpoint)s OR %(endpoint)s IS NULL
ORDER BY count DESC, endpoint, path, kind
"""

BRANCHES = "SELECT endpoint, branch, count FROM canary_branch"

ACCEPT = """
INSERT INTO canary_accepted_difference AS d (endpoint, path, kind, reason, by, expires_at)
VALUES (%(endpoint)s, %(path)s, %(kind)s, %(reason)s, %(by)s, %(expires_at)s)
RETURNING to_jsonb(d)
"""

ACCEPTED = "SELECT to_jsonb(d) FROM canary_accepted_difference d ORDER BY id"

WITHDRAW = "DELETE FROM canary_accepted_difference WHERE id = %(id)s RETURNING id"

# A session may take the lock as often as it likes; it has it until it ends.
LEAD = "SELECT pg_try_advisory_lock(hashtextextended('canary leader', 0))"

PRUNE = """
WITH gone AS (
    DELETE FROM canary_ledger WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM canary_ledger
        WHERE bucket < statement_timestamp() - %(older_than)s LIMIT %(limit)s
    ))
    RETURNING 1
), silent AS (
    DELETE FROM canary_worker WHERE seen_at < statement_timestamp() - %(silence)s
)
SELECT count(*) FROM gone
"""
