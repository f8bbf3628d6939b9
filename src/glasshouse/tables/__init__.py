"""The tables and picture shards that pass between the stages."""
