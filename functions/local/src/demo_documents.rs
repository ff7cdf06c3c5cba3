//! The documents of the demo shop "Camomile / Ромашка", made for this project: about half in Russian, in every type that
//! can be read.

/// Name and content of each file. What has no title of its own is called by its name, so a name is one for people.
pub const DOCUMENTS: &[(&str, &[u8])] = &[
    ("delivery-ru.md", include_bytes!("../demo/delivery-ru.md")),
    ("delivery-en.md", include_bytes!("../demo/delivery-en.md")),
    ("returns-ru.html", include_bytes!("../demo/returns-ru.html")),
    ("returns-en.md", include_bytes!("../demo/returns-en.md")),
    ("warranty-ru.docx", include_bytes!("../demo/warranty-ru.docx")),
    ("warranty-en.docx", include_bytes!("../demo/warranty-en.docx")),
    ("Часы работы и контакты.txt", include_bytes!("../demo/opening-hours-ru.txt")),
    ("Opening hours and contacts.txt", include_bytes!("../demo/opening-hours-en.txt")),
    ("payment-and-loyalty-ru.md", include_bytes!("../demo/payment-and-loyalty-ru.md")),
    ("payment-and-loyalty-en.md", include_bytes!("../demo/payment-and-loyalty-en.md")),
    ("Цены.csv", include_bytes!("../demo/price-list-ru.csv")),
    ("Prices.csv", include_bytes!("../demo/price-list-en.csv")),
    ("kettle-manual-ru.pdf", include_bytes!("../demo/kettle-manual-ru.pdf")),
    ("kettle-manual-en.pdf", include_bytes!("../demo/kettle-manual-en.pdf")),
];
