"""Reads files with readers that know nothing of Frontdesk's: a JSON object a line, {"path", "text"}.

The paths come on standard input, one a line. Text is normalised as the words that it is compared by are.
"""

import csv
import io
import json
import os
import re
import sys
import unicodedata

from bs4 import BeautifulSoup
from bs4.element import Comment, Declaration, Doctype, ProcessingInstruction
from charset_normalizer import from_bytes
from docx import Document
from docx.oxml.ns import qn

NOT_FOR_READERS = ["script", "style", "template", "iframe", "nav", "canvas", "audio", "video", "annotation"]


def decoded(data):
    for encoding in ("utf-8-sig", "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    best = from_bytes(data).best()
    return str(best) if best else data.decode("utf-8", "replace")


def page(data):
    soup = BeautifulSoup(data, "html.parser")
    for tag in soup(NOT_FOR_READERS):
        tag.decompose()
    for tag in soup.find_all(attrs={"hidden": True}):
        tag.decompose()
    for tag in soup.find_all(style=re.compile(r"display:\s*none|visibility:\s*hidden", re.I)):
        if not tag.decomposed:
            tag.decompose()
    blocks = {"p", "div", "li", "td", "th", "tr", "br", "h1", "h2", "h3", "h4", "h5", "h6", "option", "button", "dt", "dd"}
    words = []
    for node in soup.descendants:
        if isinstance(node, (Comment, Declaration, Doctype, ProcessingInstruction)):
            continue
        if isinstance(node, str):
            words.append(str(node))
        elif node.name in blocks:
            words.append(" ")
    return "".join(words)


def word(data):
    document = Document(io.BytesIO(data))
    texts = []
    unseen = {qn("w:del"), qn("w:moveFrom"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
    for node in document.element.body.iter():
        if node.tag in (qn("w:p"), qn("w:tab"), qn("w:br"), qn("w:cr")):
            texts.append(" ")
        elif node.tag == qn("w:t") and not any(above.tag in unseen for above in node.iterancestors()):
            texts.append(node.text or "")
    return "".join(texts)


def table(data):
    text = decoded(data)
    return "\n".join(" ".join(row) for row in csv.reader(io.StringIO(text))) if "\0" not in text else ""


def markdown(data):
    """Names of fields are no text of the document."""
    text = decoded(data)
    front = re.match(r"(---[ \t]*\r?\n)(.*?\n)(---[ \t]*\r?\n)", text, re.S)
    return re.sub(r"^[\w-]+:", "", front[2], flags=re.M) + text[front.end():] if front else text


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    end = os.path.splitext(path)[1].lower()
    if end in (".html", ".htm", ".xhtml"):
        return page(data)
    if end == ".docx":
        return word(data)
    if end in (".md", ".markdown"):
        return markdown(data)
    if end == ".csv":
        return table(data)
    return decoded(data)


for line in sys.stdin:
    path = line.rstrip("\n")
    try:
        text = read(path)
    except Exception:  # The reference has nothing to say about this file.
        text = ""
    print(json.dumps({"path": path, "text": unicodedata.normalize("NFKC", text)}), flush=True)
