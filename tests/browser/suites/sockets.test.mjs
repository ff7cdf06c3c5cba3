import assert from 'node:assert/strict';
import { questions } from '../target.mjs';
import { suite } from '../with-visitor.mjs';

const visitorTest = suite();
const { question, expect } = questions.en;

visitorTest('an answer comes over a WebSocket, and its token is in no address', { lang: 'en', needsSockets: true }, async (visit) => {
  const opened = visit.page.waitForEvent('websocket');
  const finished = opened.then((socket) => socket.waitForEvent('framereceived', ({ payload }) => payload.includes('turn.finished')));
  await visit.open();
  await visit.ask(question);
  const answer = await visit.answer();
  for (const part of expect) assert.ok(answer.includes(part), answer);
  const url = new URL((await opened).url());
  assert.match(url.pathname, /^\/api\/v1\/conversations\/conv_\w+\/socket$/);
  assert.equal(url.search, '');
  await finished;
});

visitorTest('what is asked next goes over the same socket, is acknowledged, and what was seen is told', { lang: 'en', needsSockets: true }, async (visit) => {
  const opened = visit.page.waitForEvent('websocket');
  await visit.open();
  await visit.ask(question);
  const socket = await opened;
  const said = [];
  socket.on('framesent', ({ payload }) => said.push(JSON.parse(payload)));
  const acknowledged = socket.waitForEvent('framereceived', ({ payload }) => payload.includes('"t":"ack"'));
  await visit.answer(0);
  await visit.ask(questions.second.question);
  await acknowledged;
  await visit.answer(1);
  assert.equal(said.filter(({ t }) => t === 'send').length, 1);
  assert.ok(said.some(({ t, seq }) => t === 'read' && seq > 0), JSON.stringify(said));
});
