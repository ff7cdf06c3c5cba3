//! Text from txt, md, html, csv, pdf and docx under strict limits.
