"""Which model is the champion: the comparison, the rules, the ledger, the way back."""
