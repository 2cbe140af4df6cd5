"""What `earmark listen` publishes: changes of label, to a broker or a web address."""
