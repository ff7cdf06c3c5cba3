"""Prints the same two pages, in two languages, with eight generators: see README.md."""

import os
import shutil
import subprocess
import sys

import docx
import typst
import weasyprint
from docx.enum.section import WD_SECTION
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from fpdf import FPDF
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table)

FONTS = "/usr/share/fonts/truetype/dejavu"
TEXTS = {
    "en": {
        "header": "Lemur teas, price list",
        "footer": "Questions: +7 495 123-45-67",
        "title": "Prices of kettles",
        "intro": "All prices hold until 31 May and include the cord, the base and a bag of camomile tea; delivery is charged apart.",
        "rows": [["Model", "Power", "Price"], ["Camomile K-17", "2,200 W", "$1,249.90"], ["Juniper J-5", "1,850 W", "$989.00"], ["Travel mug", "650 W", "$350.50"]],
        "note": "* A kettle that was descaled with vinegar has no warranty.",
        "second": "Care and returns*",
        "columns": [
            "Descale the kettle every 2 months with 50 g of citric acid. Boil it, leave it for one hour and rinse it three times before it is used again.",
            "A parcel may be returned within 14 days. Keep the box and the receipt, and write the number of the order on the label of the parcel.",
        ],
    },
    "ru": {
        "header": "Чаи «Лемур», список цен",
        "footer": "Вопросы: +7 495 123-45-67",
        "title": "Цены чайников",
        "intro": "Все цены действуют до 31 мая и включают шнур, подставку и пакет ромашкового чая; доставка оплачивается отдельно.",
        "rows": [["Модель", "Мощность", "Цена"], ["Ромашка К-17", "2 200 Вт", "12 490,90 ₽"], ["Можжевельник", "1 850 Вт", "9 890,00 ₽"], ["Кружка", "650 Вт", "3 500,50 ₽"]],
        "note": "* На чайник, который чистили уксусом, гарантии нет.",
        "second": "Уход и возврат*",
        "columns": [
            "Удаляйте накипь каждые 2 месяца: 50 г лимонной кислоты. Вскипятите воду, оставьте её на час и три раза промойте чайник, прежде чем пить чай.",
            "Посылку можно вернуть за 14 дней. Сохраните коробку и чек и напишите номер заказа на ярлыке посылки, чтобы мы сразу вернули вам деньги.",
        ],
    },
}


def web_page(t, margin_boxes):
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in t["rows"][1:])
    head = "".join(f"<th>{cell}</th>" for cell in t["rows"][0])
    columns = "".join(f"<p style='break-inside:avoid;margin:0 0 8px'>{text}</p>" for text in t["columns"])
    boxes = f"@top-center{{content:'{t['header']}'}}@bottom-center{{content:'{t['footer']}'}}" if margin_boxes else ""
    fixed = "" if margin_boxes else f"<div style='position:fixed;top:0'>{t['header']}</div><div style='position:fixed;bottom:0'>{t['footer']}</div>"
    return f"""<!doctype html><meta charset=utf-8><style>@page{{size:A5;margin:20mm;{boxes}}}
    body{{font:11px 'DejaVu Sans'}}td,th{{border:1px solid;padding:3px 12px;text-align:left}}h1{{padding-top:24px}}</style>{fixed}
    <h1>{t['title']}</h1><p>{t['intro']}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>
    <h1 style="break-before:page">{t['second']}</h1><div style="columns:2;column-gap:24px;column-fill:balance">{columns}</div>
    <p style="border-top:1px solid;font-size:8px;margin-top:90px">{t['note']}</p>"""


def chromium(t, path):
    with open("/tmp/page.html", "w") as file:
        file.write(web_page(t, False))
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                    f"--print-to-pdf={path}", "file:///tmp/page.html"], check=True, capture_output=True, timeout=60)


def weasy(t, path):
    weasyprint.HTML(string=web_page(t, True)).write_pdf(path)


def word_document(t, path):
    """A document of Word; where it is."""
    document = docx.Document()
    document.styles["Normal"].font.name = "Liberation Serif"
    section = document.sections[0]
    section.header.paragraphs[0].text, section.footer.paragraphs[0].text = t["header"], t["footer"]
    document.add_heading(t["title"], 1)
    document.add_paragraph(t["intro"])
    table = document.add_table(0, 3, style="Table Grid")
    for row in t["rows"]:
        for cell, text in zip(table.add_row().cells, row):
            cell.text = text
    document.add_page_break()
    document.add_heading(t["second"], 1)
    columns = document.add_section(WD_SECTION.CONTINUOUS)
    for text in t["columns"]:
        document.add_paragraph(text)
    last = document.add_section(WD_SECTION.CONTINUOUS)
    document.add_paragraph(t["note"])
    for which, count in ((columns, 2), (last, 1)):
        properties = which._sectPr
        for old in properties.findall(qn("w:cols")):
            properties.remove(old)
        cols = OxmlElement("w:cols")
        cols.set(qn("w:num"), str(count))
        cols.set(qn("w:space"), "720")
        properties.append(cols)
    name = os.path.splitext(os.path.basename(path))[0]
    document.save(f"/tmp/{name}.docx")
    return f"/tmp/{name}.docx"


def word(t, path):
    """A document of Word, printed by LibreOffice."""
    subprocess.run(["soffice", "--headless", "--convert-to", "pdf", "--outdir", os.path.dirname(path), word_document(t, path)],
                   check=True, capture_output=True, timeout=120)


def abiword(t, path):
    """The same document, printed by AbiWord, which leaves the print beside it."""
    document = word_document(t, path)
    subprocess.run(["abiword", "--to=pdf", document], check=True, capture_output=True, timeout=120)
    shutil.move(os.path.splitext(document)[0] + ".pdf", path)


def office(t, path):
    """A web page, printed by LibreOffice Writer."""
    name = os.path.splitext(os.path.basename(path))[0]
    with open(f"/tmp/{name}.html", "w") as file:
        file.write(web_page(t, True))
    subprocess.run(["soffice", "--headless", "--convert-to", "pdf:writer_web_pdf_Export", "--outdir", os.path.dirname(path),
                    f"/tmp/{name}.html"], check=True, capture_output=True, timeout=120)


def lab(t, path):
    pdfmetrics.registerFont(TTFont("Text", f"{FONTS}/DejaVuSans.ttf"))
    plain, large, small = (ParagraphStyle(name, fontName="Text", fontSize=size, leading=size * 1.25) for name, size in (("p", 10), ("h", 18), ("n", 7)))

    def edges(canvas, _):
        canvas.setFont("Text", 8)
        canvas.drawString(60, 560, t["header"])
        canvas.drawString(60, 30, t["footer"])

    template = BaseDocTemplate(path, pagesize=(420, 595))
    template.addPageTemplates(PageTemplate(frames=[Frame(50, 60, 320, 480)], onPage=edges))
    cells = [[Paragraph(cell, plain) for cell in row] for row in t["rows"]]
    template.build([Paragraph(t["title"], large), Spacer(1, 10), Paragraph(t["intro"], plain), Spacer(1, 10), Table(cells, colWidths=[120, 90, 90]),
                    PageBreak(), Paragraph(t["second"], large), Spacer(1, 10),
                    Table([[Paragraph(text, plain) for text in t["columns"]]], colWidths=[155, 155]), Spacer(1, 60), Paragraph(t["note"], small)])


class Sheet(FPDF):
    texts = None

    def header(self):
        self.set_font("Text", size=8)
        self.cell(text=self.texts["header"], new_x="LMARGIN", new_y="NEXT")
        self.ln(6)

    def footer(self):
        self.set_y(-12)
        self.set_font("Text", size=8)
        self.cell(text=self.texts["footer"])


def fpdf(t, path):
    sheet = Sheet(format="A5")
    sheet.texts = t
    sheet.add_font("Text", fname=f"{FONTS}/DejaVuSans.ttf")
    for heading, size in ((t["title"], 18), (t["second"], 18)):
        sheet.add_page()
        sheet.set_font("Text", size=size)
        sheet.multi_cell(0, text=heading, new_x="LMARGIN", new_y="NEXT")
        sheet.ln(4)
        sheet.set_font("Text", size=10)
        if heading == t["title"]:
            sheet.multi_cell(0, text=t["intro"], new_x="LMARGIN", new_y="NEXT", align="L")
            sheet.ln(4)
            with sheet.table(first_row_as_headings=False, text_align="LEFT") as table:
                for row in t["rows"]:
                    table.row(row)
        else:
            with sheet.text_columns(ncols=2, gutter=8, balance=True, text_align="L") as columns:
                for text in t["columns"]:
                    with columns.paragraph(bottom_margin=3) as paragraph:
                        paragraph.write(text)
            sheet.set_y(150)
            sheet.set_font("Text", size=7)
            sheet.multi_cell(0, text=t["note"], new_x="LMARGIN", new_y="NEXT")
    sheet.output(path)


def sign(text):
    return "".join("\\" + c if c in "*$#_<>@" else c for c in text)


def type_set(t, path):
    cells = ", ".join(f"[{sign(cell)}]" for row in t["rows"] for cell in row)
    source = f"""#set page(paper: "a5", header: [{sign(t['header'])}], footer: [{sign(t['footer'])}])
#set text(font: "DejaVu Sans", size: 10pt)
= {sign(t['title'])}
{sign(t['intro'])}

#table(columns: 3, {cells})
#pagebreak()
= {sign(t['second'])}
#columns(2)[{sign(t['columns'][0])}
#colbreak()
{sign(t['columns'][1])}]
#place(bottom, text(size: 7pt)[{sign(t['note'])}])"""
    with open("/tmp/page.typ", "w") as file:
        file.write(source)
    typst.compile("/tmp/page.typ", output=path, font_paths=[FONTS])


for language, texts in TEXTS.items():
    for name, make in {"chromium": chromium, "weasyprint": weasy, "word-libreoffice": word, "word-abiword": abiword,
                       "libreoffice-web": office, "reportlab": lab, "fpdf2": fpdf, "typst": type_set}.items():
        try:
            make(texts, os.path.join(sys.argv[1], f"{name}-{language}.pdf"))
        except Exception as error:  # The others are made all the same.
            print(name, language, error)
