-- Fill up by the time that has gone by, then take what is wished for: what callers wait for first, the rest above the reserve.
WITH now AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), filled AS (
    SELECT least(%(most)s, calls + %(per_second)s * greatest(extract(epoch FROM now.at - refilled_at), 0)) AS calls,
           greatest(refilled_at, now.at) AS refilled_at
      FROM gateway.call_budgets, now
     WHERE name = %(name)s
       FOR UPDATE OF call_budgets
), first AS (
    SELECT *, greatest(least(floor(calls), %(interactive)s), 0) AS interactive
      FROM filled
), taken AS (
    SELECT *, greatest(least(floor(calls) - interactive - %(reserve)s, %(background)s), 0) AS background
      FROM first
)
UPDATE gateway.call_budgets AS budget
   SET calls = taken.calls - taken.interactive - taken.background, refilled_at = taken.refilled_at
  FROM taken
 WHERE budget.name = %(name)s
RETURNING taken.interactive::integer, taken.background::integer, budget.calls
