-- What a batch says of grants: new ones come whole, of others only what is left.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.grants ({columns})
    SELECT {columns} FROM said WHERE granted_at IS NOT NULL ORDER BY wallet_id, entry_id
        ON CONFLICT (wallet_id, entry_id) DO NOTHING
)
UPDATE {schema}.grants g
   SET remaining = said.remaining, version = said.version, position = said.position
  FROM said
 WHERE g.wallet_id = said.wallet_id AND g.entry_id = said.entry_id AND g.version < said.version
