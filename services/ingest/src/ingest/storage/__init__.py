"""SQL, one named function for each question. Rows never leave this package."""
