"""The panel's part that translates, and what it asks the user."""
