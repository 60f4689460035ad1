"""The report's words, tables and charts, a file a subject, from plain values a job collected."""
