/** Adds a style sheet to a shadow root. */
export function addStyles(root: ShadowRoot, css: string): void {
  try {
    // A constructed sheet needs no `style-src 'unsafe-inline'`.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  } catch {
    const style = document.createElement('style');
    style.textContent = css;
    root.append(style);
  }
}
