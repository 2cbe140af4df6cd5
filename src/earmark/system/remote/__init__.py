"""Files in buckets and on web servers, read as local ones are: in ranges, with a cache on disk."""
