-- Conversations that are put aside are found by their time across organisations, so this index does not start with one.
CREATE INDEX conversations_by_snooze ON conversations (snoozed_until, id) WHERE snoozed_until IS NOT NULL;
