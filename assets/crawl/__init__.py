"""Crawl: the pages of a source, fetched politely and kept as WARC."""
