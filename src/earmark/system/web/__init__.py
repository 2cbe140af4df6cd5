"""What services and pages share: who may ask, answers, and the look and small scripts of pages."""
