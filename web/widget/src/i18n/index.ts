// Which language, and how its words are filled in.

/** Forms by CLDR plural category (Intl.PluralRules); `other` is always there. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

export interface Language<Words> {
  /** BCP 47, also for Intl: dates and plurals. */
  locale: string;
  messages: Words;
  fill(text: string, values: Record<string, string | number>): string;
  plural(forms: Forms, n: number): string;
}

const baseOf = (tag: string): string => tag.toLowerCase().split(/[-_]/)[0] ?? '';

/**
 * The language of the first wish (BCP 47 tags) that there are words for, else English. The region comes from the most
 * exact wish for that language: a page in "en" read by someone with "en-GB" shows 24-hour time.
 */
export function languageOf<Words>(wishes: readonly (string | null | undefined)[], words: { en: Words } & Record<string, Words>): Language<Words> {
  const known = wishes.filter((wish): wish is string => !!wish && Object.keys(words).includes(baseOf(wish)));
  const base = baseOf(known[0] ?? 'en');
  const exact = known.find((wish) => baseOf(wish) === base && wish.length > base.length) ?? base;
  let locale = base;
  try {
    locale = Intl.getCanonicalLocales(exact.replace('_', '-'))[0] ?? base;
  } catch {
    // Not a tag Intl knows; the language alone will do.
  }
  const rules = new Intl.PluralRules(locale);
  const fill = (text: string, values: Record<string, string | number>) =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  return {
    locale,
    messages: words[base] ?? words.en,
    fill,
    plural: (forms, n) => fill(forms[rules.select(n)] ?? forms.other, { n }),
  };
}
