-- Issued ones come whole; a revocation that comes by itself finds its key here.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.keys ({columns})
    SELECT {columns} FROM said WHERE issued_at IS NOT NULL ORDER BY project_id, key_id
        ON CONFLICT (project_id, key_id) DO NOTHING
)
UPDATE {schema}.keys k
   SET revoked_at = coalesce(said.revoked_at, k.revoked_at),
       revoke_reason = coalesce(said.revoke_reason, k.revoke_reason),
       version = said.version,
       position = said.position
  FROM said
 WHERE k.project_id = said.project_id AND k.key_id = said.key_id AND k.version < said.version
