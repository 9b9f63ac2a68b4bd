"""Market data at rest: sources, ingest, quality and reading of the Parquet catalog."""
