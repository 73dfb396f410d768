INSERT INTO {schema}.wallets AS w ({columns})
SELECT {columns} FROM {said}
    ON CONFLICT (wallet_id) DO UPDATE
   SET balance = excluded.balance, held = excluded.held, frozen = coalesce(excluded.frozen, w.frozen),
       updated_at = excluded.updated_at, version = excluded.version, position = excluded.position
 WHERE w.version < excluded.version
