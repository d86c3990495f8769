"""From the list to the list: mails come in from sources, series are tested one by one, replies are prepared."""
