DROP TABLE passage_vectors;
DROP TABLE passage_stats;
DROP TABLE passages_terms;
DROP TABLE passages_fts;
DROP TABLE passages;
