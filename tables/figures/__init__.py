"""Pictures of what the records say."""
