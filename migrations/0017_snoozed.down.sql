DROP INDEX conversations_by_snooze;
