"""How checks are put to Great Expectations, judged and reported: the same for every stage."""
