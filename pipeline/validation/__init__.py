"""What prepared data are checked for: facts as tables, the suite that judges them, drift."""
