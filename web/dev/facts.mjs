// What the stand-in knows: a few facts of the demo shop in two languages, each with the document it comes from.

export const FACTS = [
  {
    words: /deliver|shipping|cost.*moscow|moscow/i,
    title: 'Delivery and payment',
    quote: 'Delivery within Moscow costs 300 ₽. Orders from 5,000 ₽ are delivered free of charge.',
    text: 'Delivery in Moscow costs **300 ₽** [1]. From **5,000 ₽** it is free:\n\n- couriers come every day\n- you choose a two-hour slot\n- payment by card or in cash',
  },
  {
    words: /warrant|guarantee|kettle/i,
    title: 'Kettle warranty',
    quote: 'Every kettle carries a warranty of 24 months from the day of purchase.',
    text: 'Every kettle has a warranty of **24 months** from the day of purchase [1].',
  },
  {
    words: /open|hours/i,
    title: 'Shop and opening hours',
    quote: 'The shop is open every day from 9:00 to 21:00.',
    text: 'We are open every day, **9:00–21:00** [1].',
  },
  {
    words: /return|refund/i,
    title: 'Returns',
    quote: 'Goods can be returned within 14 days of receipt.',
    text: 'You can return your order within **14 days** of receiving it [1].',
  },
  {
    words: /возврат|вернуть/i,
    title: 'Возврат товара',
    quote: 'Возврат в течение 14 дней со дня получения заказа, если сохранён товарный вид.',
    text: 'Возврат возможен **в течение 14 дней** со дня получения заказа [1]. Нужно, чтобы сохранились:\n\n1. товарный вид\n2. чек или номер заказа',
  },
  {
    words: /доставк/i,
    title: 'Доставка и оплата',
    quote: 'Доставка по Москве стоит 300 ₽, при заказе от 5000 ₽ — бесплатно.',
    text: 'Доставка по Москве стоит **300 ₽**, а при заказе от **5000 ₽** — бесплатно [1].',
  },
  {
    words: /гаранти|чайник/i,
    title: 'Гарантия на чайники',
    quote: 'Гарантия на все чайники — 24 месяца со дня покупки.',
    text: 'Гарантия на чайники — **24 месяца** со дня покупки [1].',
  },
  {
    words: /работае|часы|открыт/i,
    title: 'Магазин и часы работы',
    quote: 'Магазин открыт ежедневно с 9:00 до 21:00.',
    text: 'Мы открыты каждый день, **9:00–21:00** [1].',
  },
];

const isRussian = (text) => /[а-яё]/i.test(text);

/** `{text, outcome, citations}` of a question. */
export function answerTo(question) {
  if (/^fail\b/i.test(question)) return { text: '', outcome: 'failed', citations: [] };
  if (/^operator\b/i.test(question)) return { text: 'One moment, please.', outcome: 'handed_off', citations: [] };
  const index = FACTS.findIndex((fact) => fact.words.test(question) && isRussian(fact.text) === isRussian(question));
  const fact = FACTS[index];
  if (!fact) {
    const text = isRussian(question) ? 'К сожалению, в документах об этом ничего нет.' : 'Sorry, the documents say nothing about this.';
    return { text, outcome: 'no_answer', citations: [] };
  }
  const citation = { n: 1, document_id: `doc_${index}`, title: fact.title, version: 1, passage_id: `psg_${index}`, start: 0, end: Buffer.byteLength(fact.quote), quote: fact.quote };
  return { text: fact.text, outcome: 'answered', citations: [citation] };
}
