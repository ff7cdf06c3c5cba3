DROP TABLE live_answers;
