"""Pages into documents: main text, title, licence and language of what the crawl fetched."""
