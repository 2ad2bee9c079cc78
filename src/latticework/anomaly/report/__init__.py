"""What was found, for people: in words, pictures, tables and pages."""
