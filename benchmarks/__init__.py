"""How close the service comes to what its machine can do: each row measures a ceiling and us, side by side."""
