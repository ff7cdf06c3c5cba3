/** Adds a style sheet to a shadow root; a constructed one needs no `style-src 'unsafe-inline'`. */
export function addStyles(root: ShadowRoot, css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets.push(sheet);
}
