// What axe finds, in words.

import axe from 'axe-core';

/** `within`: only there; a page of strangers has faults of its own. */
export async function violations(page, within) {
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate((selector) => window.axe.run(selector ?? document, { resultTypes: ['violations'] }), within);
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.flat().join(' ')).join('; ')}`);
}
