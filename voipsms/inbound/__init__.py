"""What providers send us by HTTP and FTP: pure readers, a module for each format."""
