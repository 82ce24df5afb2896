<<<<<<< HEAD
"""The networks that are trained."""
=======
"""The networks, and the form in which they are exported."""
>>>>>>> main
