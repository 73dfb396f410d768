-- The tables of a schema, each with its columns and those of its primary key, both in their order.
SELECT t.relname,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum)
          FROM pg_attribute a
         WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
       (SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum))
          FROM pg_index i
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
         WHERE i.indrelid = t.oid AND i.indisprimary)
  FROM pg_class t
  JOIN pg_namespace s ON s.oid = t.relnamespace
 WHERE s.nspname = %s AND t.relkind = 'r'
