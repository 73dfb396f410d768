-- The facts of a stream, and those of others that had the same cause: a payment's success and the credits it bought.
SELECT *
  FROM {schema}.facts
 WHERE stream = %(stream)s AND project_id = %(project_id)s
 UNION
SELECT *
  FROM {schema}.facts
 WHERE causation_id IN (SELECT causation_id FROM {schema}.facts WHERE stream = %(stream)s AND project_id = %(project_id)s)
   AND project_id = %(project_id)s
