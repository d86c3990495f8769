"""Mails about a run: prepared by the policy, kept in a ledger, sent or put into the drafts; nothing without the user's word."""
