"""What the records say: the tables and sentences of the pages, and the claims judged by them."""
