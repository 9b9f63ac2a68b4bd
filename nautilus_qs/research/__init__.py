"""Reading what runs left: the report of a run, and why a bar was traded or not."""
