-- Sites are changed and removed while visitors use them: `version` grows with every change. The row of a removed site stays,
-- because conversations name it; its key becomes one that no page has.
ALTER TABLE sites ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sites ADD COLUMN updated_at INTEGER;
ALTER TABLE sites ADD COLUMN deleted_at INTEGER;
