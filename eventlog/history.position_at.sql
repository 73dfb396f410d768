-- The last position that was not numbered later than a moment, the head, and whether the moment is yet to come. Positions
-- are numbered one after the other, so halving finds it, in as many look-ups as the number of positions has binary digits.
WITH RECURSIVE
ends AS (SELECT coalesce(max(position), 0) AS head FROM store.positions),
search (low, high) AS (
    SELECT 0::bigint, head FROM ends
    UNION ALL
    SELECT CASE WHEN found.numbered_at > %(moment)s THEN search.low ELSE middle.position END,
           CASE WHEN found.numbered_at > %(moment)s THEN found.position - 1 ELSE search.high END
      FROM search
     CROSS JOIN LATERAL (SELECT (search.low + search.high + 1) / 2 AS position) AS middle
      LEFT JOIN LATERAL (SELECT p.position, p.numbered_at
                           FROM store.positions p
                          WHERE p.position > search.low AND p.position <= middle.position
                          ORDER BY p.position DESC
                          LIMIT 1) AS found ON true
     WHERE search.low < search.high
)
SELECT search.low, ends.head, %(moment)s::timestamptz > clock_timestamp() FROM search, ends WHERE search.low >= search.high
