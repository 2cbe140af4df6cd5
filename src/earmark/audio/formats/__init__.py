"""What files declare of themselves: frames, pages and chunks of each format."""
