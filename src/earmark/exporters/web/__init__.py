"""A model as a static web page, which predicts in the browser of whoever opens it."""
