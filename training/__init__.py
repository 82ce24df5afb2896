"""From public data to the bundles in ``Resources/Models``."""
