"""What brings something to a user: a phone by SIP, a mailbox, a webhook, a log file. One module each."""
