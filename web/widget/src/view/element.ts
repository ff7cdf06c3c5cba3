// DOM nodes from code. Text is only ever set as text; there is no way in for markup or inline handlers,
// which is also what a strict Content-Security-Policy asks for.

export type Child = Node | string | null | false | undefined;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** `on…` attributes are listeners; true is an empty attribute; null, undefined and false leave it out. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value as EventListener);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** 24×24 line icons: one path each. */
const ICONS = {
  chat: 'M21 11.5a8.4 8.4 0 0 1-8.5 8.4 8.9 8.9 0 0 1-3.8-.85L3.5 20.5l1.4-4.6A8.2 8.2 0 0 1 4 11.5 8.4 8.4 0 0 1 12.500 3.100 8.400 8.400 0 0 1 21 11.500ZM8.700 11.600h.01M12.500 11.600h.01M16.300 11.600h.01',
  down: 'm6 9.500 6 6 6-6',
  close: 'M6.500 6.500l11 11M17.500 6.500l-11 11',
  send: 'M12 19.500V5M5.500 11.200 12 4.700l6.500 6.500',
  spark: 'M12 3.500l1.900 5.100a2.600 2.600 0 0 0 1.500 1.500L20.500 12l-5.100 1.900a2.600 2.600 0 0 0-1.500 1.500L12 20.500l-1.900-5.100a2.600 2.600 0 0 0-1.500-1.500L3.500 12l5.100-1.900a2.600 2.600 0 0 0 1.500-1.500Z',
  person: 'M12 11.500a3.800 3.800 0 1 0 0-7.600 3.800 3.800 0 0 0 0 7.600ZM4.800 20a7.200 7.200 0 0 1 14.400 0',
  document: 'M13.500 3.500H7A1.500 1.500 0 0 0 5.500 5v14A1.500 1.500 0 0 0 7 20.500h10a1.500 1.500 0 0 0 1.500-1.500V8.500ZM13.500 3.500v5h5M9 13h6M9 16.500h4',
  retry: 'M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6',
  out: 'M9 6.500H6.500A1.500 1.500 0 0 0 5 8v9.500A1.500 1.500 0 0 0 6.500 19H16a1.500 1.500 0 0 0 1.500-1.500V15M13 5h6v6M18.500 5.500l-8 8',
  arrow: 'M5 12h13.500M13 6.500l5.500 5.500-5.500 5.500',
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}
