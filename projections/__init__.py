"""The read side: for each read model its tables, its fold and its queries. Everything here can be thrown away and rebuilt."""
