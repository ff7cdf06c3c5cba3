// Runs in the page.

/** Where each thing of the widget stands and how it is drawn; and that nothing of the page is over it. */
export function looks() {
  const styles = ['display', 'visibility', 'position', 'color', 'backgroundColor', 'opacity', 'filter', 'fontFamily', 'fontSize', 'lineHeight', 'letterSpacing', 'wordSpacing', 'textAlign', 'textIndent', 'textTransform', 'direction', 'cursor', 'padding', 'margin', 'borderWidth', 'boxSizing', 'float'];
  const host = document.querySelector('frontdesk-widget');
  const { right } = host.getBoundingClientRect();
  // Some browsers take the scroll bar off the page's width.
  if (innerWidth - right < 20 || innerWidth - right > 40) return [`it ends at ${right} of ${innerWidth}`];
  const covered = (box) => document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) !== host;
  return [...host.shadowRoot.querySelectorAll('.frame, .frame *')].flatMap((node) => {
    const box = node.getBoundingClientRect();
    if (!box.width) return [];
    const style = getComputedStyle(node);
    const name = `${node.localName}.${node.getAttribute('class') ?? ''}`;
    return [[name, [box.x - right, box.y, box.width, box.height].map(Math.round), covered(box) && node.matches('.launcher, .panel') ? 'covered' : '', ...styles.map((property) => `${property}: ${style[property]}`)].join(' | ')];
  });
}
