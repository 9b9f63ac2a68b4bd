"""What the system remembers: row types, and the sinks that keep them."""
