// Colours from the one accent a site chooses. Text on it and text in it keep a contrast of 4.5:1 (WCAG 2.2 AA),
// whatever the accent.

type Rgb = readonly [number, number, number];

export interface Palette {
  accent: string;
  /** Text and icons on the accent. */
  onAccent: string;
  /** The accent, moved as far as it takes to be read on a light and on a dark ground. */
  accentTextLight: string;
  accentTextDark: string;
}

const DEFAULT_ACCENT = '#2f6f5e';
const MIN_CONTRAST = 4.5;
// The darkest light ground and the lightest dark ground of widget.css.
const LIGHT_GROUND: Rgb = [0xec, 0xee, 0xf1];
const DARK_GROUND: Rgb = [0x2b, 0x31, 0x3b];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0x11, 0x14, 0x18];

function parse(hex: string): Rgb | null {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(hex);
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  const parts = short ? short.slice(1).map((part) => part + part) : long?.slice(1);
  if (!parts) return null;
  const [r = 0, g = 0, b = 0] = parts.map((part) => parseInt(part, 16));
  return [r, g, b];
}

const format = (rgb: Rgb): string => `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;

/** Relative luminance, WCAG 2.2. */
function luminance(rgb: Rgb): number {
  const [r = 0, g = 0, b = 0] = rgb.map((part) => {
    const s = part / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrastOf(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** The contrast of two `#rrggbb` colours, 1 to 21. */
export function contrast(a: string, b: string): number {
  return contrastOf(parse(a) ?? BLACK, parse(b) ?? WHITE);
}

const mix = (a: Rgb, b: Rgb, share: number): Rgb => [
  a[0] + (b[0] - a[0]) * share,
  a[1] + (b[1] - a[1]) * share,
  a[2] + (b[2] - a[2]) * share,
];

function readableOn(ground: Rgb, colour: Rgb, towards: Rgb): Rgb {
  for (let share = 0; share < 1; share += 0.04) {
    const moved = mix(colour, towards, share);
    if (contrastOf(moved, ground) >= MIN_CONTRAST) return moved;
  }
  return towards;
}

/** An accent that is missing or no hex colour gives the default one. */
export function paletteOf(accent: string | undefined): Palette {
  const colour = parse(accent ?? '') ?? (parse(DEFAULT_ACCENT) as Rgb);
  const onAccent = contrastOf(WHITE, colour) >= MIN_CONTRAST ? WHITE : contrastOf(BLACK, colour) >= MIN_CONTRAST ? BLACK : WHITE;
  // A middle tone on which neither white nor black is readable is darkened a little for white.
  const ground = contrastOf(onAccent, colour) >= MIN_CONTRAST ? colour : readableOn(WHITE, colour, BLACK);
  return {
    accent: format(ground),
    onAccent: format(onAccent),
    accentTextLight: format(readableOn(LIGHT_GROUND, colour, BLACK)),
    accentTextDark: format(readableOn(DARK_GROUND, colour, WHITE)),
  };
}
