SELECT read.advance(
    %(read_model)b::text[], %(generation)b::int[], %(topic)b::text[], %(partition)b::int[], %(epoch)b::bigint[],
    %(offset_before)b::bigint[], %(position_before)b::bigint[], %(offset_after)b::bigint[], %(position_after)b::bigint[],
    %(suspect_after)b::bigint[], %(exceptions_are_made)b)
