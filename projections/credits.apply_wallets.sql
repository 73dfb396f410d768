INSERT INTO {schema}.wallets AS w (wallet_id, project_id, user_id, credit_type, balance, updated_at, version, position)
SELECT *
  FROM unnest(%(wallet_id)b::text[], %(project_id)b::text[], %(user_id)b::text[], %(credit_type)b::text[],
              %(balance)b::bigint[], %(updated_at)b::timestamptz[], %(version)b::int[], %(position)b::bigint[])
    ON CONFLICT (wallet_id) DO UPDATE
   SET balance = excluded.balance, updated_at = excluded.updated_at, version = excluded.version, position = excluded.position
 WHERE w.version < excluded.version
