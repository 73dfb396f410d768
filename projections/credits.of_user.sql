-- A customer's ledger, newest first, over all their wallets or one: each portion with the payment that paid for it.
SELECT e.entry_id, w.credit_type, e.kind, e.amount, e.balance, e.held, e.portions, e.details, e.recorded_at, e.position,
       (SELECT jsonb_object_agg(g.entry_id, g.payment_id)
          FROM {schema}.grants g
         WHERE g.wallet_id = w.wallet_id AND g.payment_id IS NOT NULL
           AND g.entry_id = ANY (ARRAY(SELECT p ->> 'entry_id' FROM jsonb_array_elements(e.portions) AS p))) AS paid_by
  FROM {schema}.wallets w
 CROSS JOIN LATERAL (
       SELECT * FROM {schema}.entries
        WHERE wallet_id = w.wallet_id AND position < %(before)s
        ORDER BY position DESC LIMIT %(limit)s) AS e
 WHERE w.project_id = %(project_id)s AND w.user_id = %(user_id)s
   AND (%(any_type)s OR w.credit_type = %(credit_type)s)
 ORDER BY e.position DESC LIMIT %(limit)s
