-- Issued ones come whole; a revocation that comes by itself finds its key here.
WITH said AS (
    SELECT *
      FROM unnest(%(project_id)b::text[], %(key_id)b::text[], %(kind)b::text[], %(hint)b::text[],
                  %(issued_at)b::timestamptz[], %(revoked_at)b::timestamptz[], %(revoke_reason)b::text[],
                  %(version)b::int[], %(position)b::bigint[])
           AS s (project_id, key_id, kind, hint, issued_at, revoked_at, revoke_reason, version, position)
), begun AS (
    INSERT INTO {schema}.keys
           (project_id, key_id, kind, hint, issued_at, revoked_at, revoke_reason, version, position)
    SELECT * FROM said WHERE issued_at IS NOT NULL ORDER BY project_id, key_id
        ON CONFLICT (project_id, key_id) DO NOTHING
)
UPDATE {schema}.keys k
   SET revoked_at = coalesce(said.revoked_at, k.revoked_at),
       revoke_reason = coalesce(said.revoke_reason, k.revoke_reason),
       version = said.version,
       position = said.position
  FROM said
 WHERE k.project_id = said.project_id AND k.key_id = said.key_id AND k.version < said.version
