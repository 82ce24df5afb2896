"""From a training to a bundle with its card, a command each."""
