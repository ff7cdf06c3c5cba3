// Which language, and how its words are filled in.

import { en, type Forms, type Messages } from './en';
import { ru } from './ru';

const LANGUAGES: Record<string, Messages> = { en, ru };

export interface Language {
  /** BCP 47, also for Intl: dates and plurals. */
  locale: string;
  messages: Messages;
  fill(text: string, values: Record<string, string | number>): string;
  plural(forms: Forms, n: number): string;
}

const baseOf = (tag: string): string => tag.toLowerCase().split(/[-_]/)[0] ?? '';

/**
 * The language of the first wish (BCP 47 tags) that the widget speaks, else English. The region comes from the most
 * exact wish for that language: a page in "en" read by someone with "en-GB" shows 24-hour time.
 */
export function languageOf(wishes: readonly (string | null | undefined)[]): Language {
  const known = wishes.filter((wish): wish is string => !!wish && Object.keys(LANGUAGES).includes(baseOf(wish)));
  const base = baseOf(known[0] ?? 'en');
  const exact = known.find((wish) => baseOf(wish) === base && wish.length > base.length) ?? base;
  let locale = base;
  try {
    locale = Intl.getCanonicalLocales(exact.replace('_', '-'))[0] ?? base;
  } catch {
    // Not a tag Intl knows; the language alone will do.
  }
  const messages = LANGUAGES[base] ?? en;
  const rules = new Intl.PluralRules(locale);
  const fill = (text: string, values: Record<string, string | number>) =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  return {
    locale,
    messages,
    fill,
    plural: (forms, n) => fill(forms[rules.select(n)] ?? forms.other, { n }),
  };
}
