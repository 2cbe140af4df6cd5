"""A model as C99 source: a header and a file that need nothing but a C compiler."""
