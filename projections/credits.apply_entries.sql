INSERT INTO {schema}.entries
       (wallet_id, version, entry_id, kind, amount, balance, payment_id, product_id, recorded_at, position)
SELECT *
  FROM unnest(%(wallet_id)b::text[], %(version)b::int[], %(entry_id)b::text[], %(kind)b::text[], %(amount)b::bigint[],
              %(balance)b::bigint[], %(payment_id)b::text[], %(product_id)b::text[], %(recorded_at)b::timestamptz[],
              %(position)b::bigint[])
    ON CONFLICT (wallet_id, version) DO NOTHING
